package gcs

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scratchdata/scratchdata/pkg/secret"
)

// login gives tokens to a service account.
type login struct {
	t      *testing.T
	key    *rsa.PrivateKey
	url    string // of tokens
	access string // the token
	asked  atomic.Int32
}

// accountKey makes a key, which takes a while, for all tests.
var accountKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// withLogin makes f want tokens.
func (f *fake) withLogin() *login {
	f.t.Helper()
	key, err := accountKey()
	if err != nil {
		f.t.Fatal(err)
	}
	f.login = &login{t: f.t, key: key, url: f.URL + "/token", access: rand.Text()}
	return f.login
}

// credentials are what a file of the account's key holds.
func (l *login) credentials(key *rsa.PrivateKey) secret.String {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		l.t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "test@example.com", "private_key_id": "1", "token_uri": l.url,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return secret.String(text)
}

// token answers a request for a token, which the account's key must have signed.
func (l *login) token(w http.ResponseWriter, r *http.Request) {
	l.asked.Add(1)
	if r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || !l.signed(r.PostFormValue("assertion")) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprint(w, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`) // the client reads it
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, l.access) // the client reads it
}

func (l *login) signed(assertion string) bool {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || rsa.VerifyPKCS1v15(&l.key.PublicKey, crypto.SHA256, sum[:], signature) != nil {
		return false
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Iss, Aud, Scope string
		Exp             int64
	}
	return err == nil && json.Unmarshal(body, &claims) == nil && claims.Iss == "test@example.com" && claims.Aud == l.url &&
		claims.Scope == scope && claims.Exp > time.Now().Unix()
}
