package secure

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/quern-engine/quern/api"
)

// GuardOptions say how a guard tells who is there.
type GuardOptions struct {
	Identity *Identity // of the server; nil lets everybody in who reaches it by a loopback name
	Tokens   *Tokens   // nil: no caller has any business here
	Log      *slog.Logger
}

// Guard is the interceptor in front of a listener: the outermost handler, so that no request gets anywhere without it.
// What the table does not open to somebody is closed to them, and that includes what it does not name.
type Guard struct {
	options GuardOptions
	routes  map[string]Route // by pattern
	mux     *http.ServeMux
	browser *http.CrossOriginProtection
}

// NewGuard makes a guard that serves the routes.
func NewGuard(routes []Route, o GuardOptions) *Guard {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	g := &Guard{options: o, routes: map[string]Route{}, mux: http.NewServeMux(), browser: http.NewCrossOriginProtection()}
	for _, r := range routes {
		g.routes[r.Pattern] = r
		g.mux.Handle(r.Pattern, r.Handler)
	}
	return g
}

// ServeHTTP serves a request that may be made.
func (g *Guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, pattern := g.mux.Handler(r)
	route, known := g.routes[pattern]
	if !known {
		route.For = Callers | Members // the answer, that there is no such route, is for those who may use some
	}
	who, refusal := g.admit(r, route.For)
	if refusal != nil {
		g.options.Log.Warn("refused a request", "from", r.RemoteAddr, "who", who, "method", r.Method, "path", r.URL.Path, "reason", refusal.text)
		refusal.write(w)
		return
	}
	limit := route.Body
	if limit == 0 {
		limit = DefaultBody
	}
	if r.ContentLength > limit {
		tooLong.write(w)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	if who != "" {
		r = r.WithContext(context.WithValue(r.Context(), callerKey{}, who))
	}
	g.mux.ServeHTTP(w, r)
}

type callerKey struct{}

// Caller is who makes the request of a context, as the guard has found out: the owner of a token or the name in a
// certificate. Empty where nobody has to show either.
func Caller(ctx context.Context) string {
	who, _ := ctx.Value(callerKey{}).(string)
	return who
}

// admit tells who makes a request, and why it is refused, if it is.
func (g *Guard) admit(r *http.Request, allowed Access) (who string, _ *refusal) {
	if g.browser.Check(r) != nil {
		return "", foreignPage
	}
	if g.options.Identity == nil {
		if host := hostOf(r.Host); !loopback(host) {
			return "", foreignHost
		}
		return "", nil
	}
	if allowed&Anyone != 0 {
		return "", nil
	}
	who, is, refusal := g.identify(r)
	switch {
	case refusal != nil:
		return who, refusal
	case is&allowed == 0:
		return who, notYours
	}
	if is == Callers && r.Method != http.MethodGet && r.Method != http.MethodHead {
		g.options.Log.Info("a caller's request", "who", who, "from", r.RemoteAddr, "method", r.Method, "path", r.URL.Path)
	}
	return who, nil
}

// identify is who shows what: a certificate, a token, or both. What is shown must be good even if the rest would do.
func (g *Guard) identify(r *http.Request) (who string, is Access, _ *refusal) {
	header := r.Header.Get("Authorization")
	certified := r.TLS != nil && len(r.TLS.VerifiedChains) > 0
	if !certified && header == "" {
		return "", 0, nothingShown
	}
	if certified {
		leaf := r.TLS.PeerCertificates[0]
		if time.Now().After(leaf.NotAfter) { // it was good when the connection was made
			return leaf.Subject.CommonName, 0, expired
		}
		who, is = leaf.Subject.CommonName, rolesOf(leaf)
	}
	if header == "" {
		return who, is, nil
	}
	scheme, token, _ := strings.Cut(header, " ")
	owner, ok := g.options.Tokens.Owner(strings.TrimSpace(token))
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return who, 0, wrongToken
	}
	return owner, is | Callers, nil
}

// hostOf is the host without the port.
func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

// refusal is an answer of the guard's own.
type refusal struct {
	status int
	code   api.Code
	text   string
}

var (
	nothingShown = &refusal{http.StatusUnauthorized, api.CodeUnauthorized, "show a token (Authorization: Bearer …) or a certificate of the cluster"}
	wrongToken   = &refusal{http.StatusUnauthorized, api.CodeUnauthorized, "the token is not one that this process knows"}
	expired      = &refusal{http.StatusUnauthorized, api.CodeUnauthorized, "the certificate of this connection has expired; connect again with a new one"}
	notYours     = &refusal{http.StatusForbidden, api.CodeForbidden, "what was shown does not open this path"}
	foreignHost  = &refusal{http.StatusForbidden, api.CodeForbidden, "ask for this process by a loopback address: 127.0.0.1, ::1 or localhost"}
	foreignPage  = &refusal{http.StatusForbidden, api.CodeForbidden, "this comes from a page of another site"}
	tooLong      = &refusal{http.StatusRequestEntityTooLarge, api.CodeInvalid, "the request is too long"}
)

func (f *refusal) write(w http.ResponseWriter) {
	data, err := json.Marshal(api.Errorf(f.code, "%s", f.text))
	if err != nil {
		data = []byte(`{}`) // cannot be: it is two strings
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	// What was shown belongs to the connection, and a new one may show something better; and a body that nobody reads
	// would be in the way of the next request.
	h.Set("Connection", "close")
	if f.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(f.status)
	w.Write(append(data, '\n')) // an error means that the caller has gone
}
