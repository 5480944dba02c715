package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// webFile writes a web configuration file with a certificate that ends at end, and returns its path.
func webFile(t testing.TB, end time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: end, DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string][]byte{
		"cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		"web.yml":  []byte("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "web.yml")
}

func TestCertificateExpiry(t *testing.T) {
	end := time.Now().Add(90 * 24 * time.Hour).Truncate(time.Second)
	path := webFile(t, end)
	if got := testutil.ToFloat64(certificateExpiry{func() string { return path }}); got != float64(end.Unix()) {
		t.Errorf("got %v, want %d", got, end.Unix())
	}
	for name, spoil := range map[string]func(){
		"no certificate in the file": func() {
			if err := os.WriteFile(filepath.Join(filepath.Dir(path), "cert.pem"), []byte(strings.Repeat("x", 100)), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"no web configuration": func() { path = "" },
	} {
		spoil()
		r := prometheus.NewPedanticRegistry()
		r.MustRegister(certificateExpiry{func() string { return path }})
		if mfs, err := r.Gather(); err != nil || len(mfs) != 0 {
			t.Errorf("%s: got %v, %v, want nothing", name, mfs, err)
		}
	}
}
