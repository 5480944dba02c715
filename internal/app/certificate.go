package app

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"controlcenter/internal/config"
)

// certificateExpiry shows when the listeners' certificate ends. The file is read at each scrape, as the listeners read it at each
// connection: a renewed certificate shows at once. Without TLS, or when the file cannot be read, the family is absent.
type certificateExpiry struct {
	webConfigFile func() string
}

var descExpiry = prometheus.NewDesc("controlcenter_tls_certificate_expiry_timestamp_seconds",
	"Unix time at which the first certificate of the listeners' chain ends; absent without TLS.", nil, nil)

// Describe implements prometheus.Collector.
func (certificateExpiry) Describe(c chan<- *prometheus.Desc) { c <- descExpiry }

// Collect implements prometheus.Collector.
func (e certificateExpiry) Collect(c chan<- prometheus.Metric) {
	file, err := config.ReadWebFile(e.webConfigFile())
	if err != nil || file.CertFile == "" {
		return
	}
	end, err := firstExpiry(file.CertFile)
	if err != nil {
		return // the listeners' log says why
	}
	c <- prometheus.MustNewConstMetric(descExpiry, prometheus.GaugeValue, float64(end.Unix()))
}

// firstExpiry is the earliest end of the certificates in a PEM file.
func firstExpiry(path string) (end time.Time, err error) {
	rest, err := os.ReadFile(path)
	if err != nil {
		return end, err
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return end, fmt.Errorf("read %s: %w", path, err)
		}
		if end.IsZero() || cert.NotAfter.Before(end) {
			end = cert.NotAfter
		}
	}
	if end.IsZero() {
		return end, fmt.Errorf("read %s: no certificate in it", path)
	}
	return end, nil
}
