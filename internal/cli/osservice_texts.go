package cli

import "strings"

// systemdUnit is the template of the unit that "service install" writes; the library fills in what is in braces. The files of
// deploy/systemd say the same, with the reasons; a test compares them.
func systemdUnit(user bool) string {
	unit := `[Unit]
Description={{Description}}
@NETWORK@ConditionFileIsExecutable={{Path | cmdEscape}}
StartLimitIntervalSec=60
StartLimitBurst=10

[Service]
Type=notify
ExecStart={{Path | cmdEscape}}{{range Arguments}} {{. | cmd}}{{end}}
ExecReload=/bin/kill -HUP $MAINPID
{{if UserName}}User={{UserName}}
{{end}}KillMode=process
OOMPolicy=continue
Delegate=yes
Restart=on-failure
RestartSec=1s
TimeoutStartSec=90s
TimeoutStopSec=30s
TasksMax=infinity
LimitNOFILE=524288
@SYSTEM@
[Install]
WantedBy=@TARGET@
`
	network, system, target := "Wants=network-online.target\nAfter=network-online.target\n",
		"StateDirectory={{Name}}\nStateDirectoryMode=0700\nCapabilityBoundingSet=~CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_BOOT CAP_MAC_ADMIN CAP_MAC_OVERRIDE\nKeyringMode=private\n", "multi-user.target"
	if user {
		network, system, target = "", "", "default.target"
	}
	return strings.NewReplacer("@NETWORK@", network, "@SYSTEM@", system, "@TARGET@", target).Replace(unit)
}

// launchdPlist is the template of the property list. Without AbandonProcessGroup launchd kills what the daemon leaves behind: the
// keeper, and with it every service.
const launchdPlist = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>{{Name | html}}</string>
	<key>ProgramArguments</key>
	<array>
		<string>{{Path | html}}</string>
{{range Arguments}}		<string>{{. | html}}</string>
{{end}}	</array>
	{{if UserName}}<key>UserName</key>
	<string>{{UserName | html}}</string>
	{{end}}<key>AbandonProcessGroup</key>
	<true/>
	<key>KeepAlive</key>
	<dict>
		<key>SuccessfulExit</key>
		<false/>
	</dict>
	<key>RunAtLoad</key>
	<{{RunAtLoad}}/>
	<key>ThrottleInterval</key>
	<integer>5</integer>
	{{if StandardErrorPath}}<key>StandardErrorPath</key>
	<string>{{StandardErrorPath | html}}</string>
	{{end}}{{if StandardOutPath}}<key>StandardOutPath</key>
	<string>{{StandardOutPath | html}}</string>
	{{end}}</dict>
</plist>
`
