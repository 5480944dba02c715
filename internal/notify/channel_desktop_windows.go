package notify

// script shows a toast with texts from its environment, so that nothing in them is code.
const script = `$ErrorActionPreference = 'Stop'
[Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime] | Out-Null
$xml = [Windows.UI.Notifications.ToastNotificationManager]::GetTemplateContent([Windows.UI.Notifications.ToastTemplateType]::ToastText02)
$lines = $xml.GetElementsByTagName('text')
$lines.Item(0).AppendChild($xml.CreateTextNode($env:CC_TOAST_TITLE)) | Out-Null
$lines.Item(1).AppendChild($xml.CreateTextNode($env:CC_TOAST_TEXT)) | Out-Null
$toast = [Windows.UI.Notifications.ToastNotification]::new($xml)
[Windows.UI.Notifications.ToastNotificationManager]::CreateToastNotifier('Control Center').Show($toast)`

func toast(m *Message) (argv, env []string, err error) {
	return []string{"powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script},
		[]string{"CC_TOAST_TITLE=" + oneLine(m.Title), "CC_TOAST_TEXT=" + clip(m.Text, 500)}, nil
}
