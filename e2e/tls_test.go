package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// certify writes a certificate that is its own authority, and its key, into cert.pem and key.pem.
func certify(t *testing.T, dir, name string, serial int64) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	write(t, filepath.Join(dir, "cert.pem"), string(cert))
	write(t, filepath.Join(dir, "key.pem"), string(secret))
	pair, err := tls.X509KeyPair(cert, secret)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// bcrypt of "open sesame" at the lowest cost
const sesame = "basic_auth_users:\n  ann: $2a$04$WpIrTR6ZnDEPg7YOOSLW7OaRPfLpiWkY78Pdj70DXDSm7TAveSYdO\n"

// TestCertificatesAndRolesChangeWithoutARestart: who ann is, and who the server is, are read anew while it runs; a client
// certificate makes a viewer.
func TestCertificatesAndRolesChangeWithoutARestart(t *testing.T) {
	dir, cwd, authority := t.TempDir(), t.TempDir(), t.TempDir()
	certify(t, dir, "server", 1)
	mine := certify(t, authority, "laptop", 100)
	file, settings := filepath.Join(dir, "web.yml"), filepath.Join(cwd, "controlcenter.yaml")
	encrypted := "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_auth_type: VerifyClientCertIfGiven, client_ca_file: " + filepath.Join(authority, "cert.pem") + "}\n"
	write(t, file, encrypted+sesame)
	write(t, settings, "auth: {mode: credentials, basic_roles: {ann: operator}}\n")
	d := start(t, launch{cwd: cwd, args: []string{"--web.config.file=" + file}})
	if !strings.HasPrefix(d.url, "https://") {
		t.Fatalf("listens at %q\n%s", d.url, d.log)
	}
	// me asks on a connection of its own; serial is that of the server's certificate.
	me := func(password string, certificates ...tls.Certificate) (access, method string, serial int64) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: certificates}}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+"/api/auth/me", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if password != "" {
			req.SetBasicAuth("ann", password)
		}
		resp, err := client.Do(req)
		if err != nil {
			return err.Error(), "", 0
		}
		defer resp.Body.Close()
		var body struct{ Access, Method string }
		if resp.StatusCode != http.StatusOK {
			return "", "", 0
		}
		if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		return body.Access, body.Method, resp.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	want := func(what, access, method string, serial int64, password string, certificates ...tls.Certificate) {
		t.Helper()
		var a, m string
		var n int64
		waitFor(t, what, func() bool { a, m, n = me(password, certificates...); return a == access && m == method && n == serial },
			func() string { return fmt.Sprintf("%s by %s from server %d\n%s", a, m, n, d.log) })
	}
	want("ann is an operator", "operator", "basic", 1, "open sesame")
	certify(t, dir, "server", 2)
	want("the renewed certificate is served", "operator", "basic", 2, "open sesame")
	write(t, settings, "auth: {mode: credentials, basic_roles: {ann: admin}}\n")
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	want("ann is an admin", "admin", "basic", 2, "open sesame")
	if a, m, _ := me("wrong"); a != "" || m != "" {
		t.Errorf("a wrong password: %s by %s", a, m)
	}
	// The listener asks for the password whoever has a certificate: both are needed then, and the password says who it is.
	write(t, file, encrypted)
	write(t, settings, "auth: {mode: credentials}\n")
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	want("the certificate makes a viewer", "viewer", "certificate", 2, "", mine)
}

// TestWebConfigFileEncryptsAndAsksForThePassword starts a listener that others can reach, which is allowed only with both.
func TestWebConfigFileEncryptsAndAsksForThePassword(t *testing.T) {
	dir := t.TempDir()
	cert := certify(t, dir, "server", 1)
	file := filepath.Join(dir, "web.yml")
	write(t, file, sesame)
	if code, said := fails(t, launch{addr: "0.0.0.0:0", args: []string{"--web.config.file=" + file}}); code != 1 || !strings.Contains(said, "tls_server_config") {
		t.Errorf("without TLS: exit code %d, said %q: want 1 and what to set", code, said)
	}
	write(t, file, "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"+sesame)
	d := start(t, launch{addr: "0.0.0.0:0", args: []string{"--web.config.file=" + file}})
	if !strings.HasPrefix(d.url, "https://127.0.0.1:") {
		t.Fatalf("listens at %q\n%s", d.url, d.log)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
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
