package exporter

func listenChild(string) {}
func fakeSMI()           {}
