package exporter

func fakeSMI() {}
