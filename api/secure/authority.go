package secure

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// Authority signs certificates of members. It is for a quick start, and for tests; an authority that is there already
// does as well.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

const (
	authorityCert = "ca.pem"
	authorityKey  = "ca-key.pem"
	authorityLife = 10 * 365 * 24 * time.Hour
)

// OpenAuthority opens the authority in a folder, or makes one there.
func OpenAuthority(dir string) (*Authority, error) {
	cert, err := os.ReadFile(filepath.Join(dir, authorityCert))
	if errors.Is(err, fs.ErrNotExist) {
		return newAuthority(dir)
	}
	if err != nil {
		return nil, err
	}
	key, err := readSecret(filepath.Join(dir, authorityKey))
	if err != nil {
		return nil, err
	}
	a := &Authority{}
	if block, _ := pem.Decode(cert); block != nil {
		a.cert, err = x509.ParseCertificate(block.Bytes)
	}
	if block, _ := pem.Decode(key); block != nil && err == nil {
		var parsed any
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		a.key, _ = parsed.(*ecdsa.PrivateKey)
	}
	if err == nil && (a.cert == nil || a.key == nil || !a.key.PublicKey.Equal(a.cert.PublicKey)) {
		err = errors.New("they are not a certificate and its ECDSA key")
	}
	if err != nil {
		return nil, fmt.Errorf("%s and %s in %s: %w", authorityCert, authorityKey, dir, err)
	}
	return a, nil
}

func newAuthority(dir string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the authority's key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Quern " + rand.Text()[:8]}, NotBefore: now.Add(-clockSkew), NotAfter: now.Add(authorityLife),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	a := &Authority{cert: template, key: key}
	if a.cert, err = a.sign(template, key); err != nil {
		return nil, err
	}
	return a, write(dir, authorityCert, authorityKey, a.cert, key)
}

// clockSkew is how far behind the clocks of other machines may be.
const clockSkew = 5 * time.Minute

// Issue writes a certificate for members that have the roles, on any of the hosts (names or IP addresses), with its key:
// name.pem and name-key.pem. Older ones of that name are replaced.
func (a *Authority) Issue(dir, name string, roles Access, hosts []string, life time.Duration) (Files, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Files{}, fmt.Errorf("make a key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-clockSkew), NotAfter: now.Add(life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	for role, uri := range map[Access]string{Coordinators: roleCoordinator, Workers: roleWorker, Monitors: roleMonitor} {
		if roles&role != 0 {
			u, err := url.Parse(uri)
			if err != nil {
				return Files{}, err
			}
			template.URIs = append(template.URIs, u)
		}
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	cert, err := a.sign(template, key)
	if err != nil {
		return Files{}, err
	}
	f := Files{Cert: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+"-key.pem"), CA: filepath.Join(dir, authorityCert)}
	return f, write(dir, name+".pem", name+"-key.pem", cert, key)
}

func (a *Authority) sign(template *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of %s: %w", template.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}

// write writes a certificate and its key, each whole or not at all. Between the two they do not match, which a process
// that watches them sees and waits out.
func write(dir, certName, keyName string, cert *x509.Certificate, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode a key: %w", err)
	}
	if err := WriteSecret(filepath.Join(dir, keyName), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, certName), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o644)
}

// WriteSecret writes a file that only its owner may read.
func WriteSecret(path string, data []byte) error { return writeFile(path, data, 0o600) }

func writeFile(path string, data []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
