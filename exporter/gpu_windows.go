package exporter

const smiProgram = "nvidia-smi.exe" // in System32 since driver 400
