package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWebConfigFileEncryptsAndAsksForThePassword starts a listener that others can reach, which is allowed only with both.
func TestWebConfigFileEncryptsAndAsksForThePassword(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, filepath.Join(dir, "cert.pem"), cert)
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	file := filepath.Join(dir, "web.yml")
	// bcrypt of "open sesame" at the lowest cost
	const users = "basic_auth_users:\n  ann: $2a$04$WpIrTR6ZnDEPg7YOOSLW7OaRPfLpiWkY78Pdj70DXDSm7TAveSYdO\n"
	write(t, file, users)
	if code, said := fails(t, launch{addr: "0.0.0.0:0", args: []string{"--web.config.file=" + file}}); code != 1 || !strings.Contains(said, "tls_server_config") {
		t.Errorf("without TLS: exit code %d, said %q: want 1 and what to set", code, said)
	}
	write(t, file, "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"+users)
	d := start(t, launch{addr: "0.0.0.0:0", args: []string{"--web.config.file=" + file}})
	if !strings.HasPrefix(d.url, "https://127.0.0.1:") {
		t.Fatalf("listens at %q\n%s", d.url, d.log)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(cert))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	get := func(path, password string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if password != "" {
			req.SetBasicAuth("ann", password)
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	d.waitFor("the password opens /metrics", func() bool { code, _ := get("/metrics", "open sesame"); return code == http.StatusOK })
	if _, body := get("/metrics", "open sesame"); !strings.Contains(body, "\ncontrolcenter_tls_certificate_expiry_timestamp_seconds ") {
		t.Error("the certificate's end has no series")
	}
	for _, password := range []string{"", "wrong"} {
		if code, _ := get("/metrics", password); code != http.StatusUnauthorized {
			t.Errorf("password %q: %d, want 401", password, code)
		}
	}
}
