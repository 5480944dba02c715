#!/usr/bin/env bash
# Installs what the tests use and this machine lacks, when it is Debian and we are root; elsewhere says what to install.
# With CI=true a missing program is an error, otherwise the suites that need it say so and are skipped.
set -euo pipefail

# program, or a file, and the Debian package that brings it
need=(
  "prometheus prometheus"
  "prometheus-alertmanager prometheus-alertmanager"
  "promtool prometheus"
  "prometheus-node-exporter prometheus-node-exporter"
  "prometheus-process-exporter prometheus-process-exporter"
  "prometheus-alertmanager prometheus-alertmanager"
  "amtool prometheus-alertmanager"
  "systemd-analyze systemd"
  "node nodejs"
  "npm npm"
  "bindfs bindfs"
  "/usr/bin/chromium chromium"
  "node nodejs"
  "npm npm"
  "setpriv util-linux"
  "gcc gcc"
  "/usr/lib/python3/dist-packages/fastapi python3-fastapi"
  "/usr/lib/python3/dist-packages/uvicorn python3-uvicorn"
  "/usr/lib/python3/dist-packages/psutil python3-psutil"
)

# What only one benchmark uses is asked for by its name.
case ${1:-} in
  bench-kb) need=("rg ripgrep" "/usr/lib/python3/dist-packages/xapian python3-xapian") ;;
  bench-web) need=("/usr/bin/chromium chromium" "node nodejs" "npm npm") ;;
  shots) need=("/usr/bin/chromium chromium" "node nodejs" "npm npm" "prometheus prometheus" "prometheus-alertmanager prometheus-alertmanager" "ip iproute2" "unshare util-linux" "curl curl" "pngquant pngquant") ;;
  bench-control) need=("supervisord supervisor" "svlogd runit" "s6-svscan s6" "cc gcc" "/usr/share/doc/libc6-dev libc6-dev") ;;
esac

has() { if [[ $1 == /* ]]; then [[ -e $1 ]]; else command -v "$1" >/dev/null; fi; }

missing=() packages=()
for row in "${need[@]}"; do
  read -r program package <<<"$row"
  has "$program" || { missing+=("$program"); packages+=("$package"); }
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
  echo "installing: ${packages[*]}"
  # Tests start their own servers: packages must not start theirs.
  policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  exit 0
fi

echo "NOT INSTALLED: ${missing[*]} (Debian packages: ${packages[*]}). What needs them is skipped." >&2
[[ ${CI:-} != true ]]
