#!/usr/bin/env bash
# Puts the newer Prometheus and Alertmanager of Debian's unstable branch into a folder, without touching the system: apt works on a
# state of its own and nothing is installed. Afterwards the tests use them with
#   PATH=FOLDER/usr/bin:$PATH go test ./deploy/... ./e2e -run 'Rule|Dashboard|Alert'
set -euo pipefail
folder=${1:?usage: scripts/newer-prometheus.sh FOLDER}
mkdir -p "$folder"/apt/{lists/partial,cache/archives/partial}
folder=$(cd "$folder" && pwd)
cat >"$folder/apt/sources.list" <<LIST
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian sid main
LIST
# apt's own user may not be able to reach the folder: it downloads as the one who runs this.
options=(-o "Dir::Etc::sourcelist=$folder/apt/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$folder/apt/lists"
  -o "Dir::Cache=$folder/apt/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none)
apt-get "${options[@]}" update -qq
(cd "$folder/apt" && apt-get "${options[@]}" download -qq prometheus promtool prometheus-alertmanager)
for package in "$folder"/apt/*.deb; do dpkg -x "$package" "$folder"; done
rm -rf "$folder/apt"
"$folder/usr/bin/prometheus" --version | head -1
