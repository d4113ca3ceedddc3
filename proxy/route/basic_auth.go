package route

import (
	"errors"
	"fmt"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/passwords"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// basicAuth asks for a name and a password in front of a route. Immutable, but for what its file has.
type basicAuth struct {
	file                       *passwords.File
	missing, ambiguous, refuse *LocalReply
}

// Why a request is not let in.
var (
	errNoCredentials   = errors.New("the request has no name and password (basic_auth)")
	errManyCredentials = errors.New("the request has more than one Authorization (basic_auth)")
	errBusy            = errors.New("too many passwords wait to be checked (basic_auth)")
	errCredentials     = errors.New("name or password is wrong (basic_auth)")
)

// compileBasicAuth is nil for a route that asks for no password.
func compileBasicAuth(c *config.BasicAuth, files *passwords.Prepared) (*basicAuth, error) {
	if c.File == "" {
		return nil, nil
	}
	users := files.File(c.File)
	if users == nil {
		return nil, fmt.Errorf("basic_auth: %s has not been read", c.File)
	}
	challenge := []byte(`Basic realm="` + c.Realm + `", charset="UTF-8"`)
	reply := func(why error) *LocalReply {
		return &LocalReply{Status: 401, Flag: telemetry.AC, Text: "unauthorized", Cause: why, Challenge: challenge}
	}
	return &basicAuth{
		file: users, missing: reply(errNoCredentials), ambiguous: reply(errManyCredentials),
		refuse: reply(errCredentials),
	}, nil
}

// known tells, by what was checked before, whether the request h may go on. Unchecked: it needs a check.
func (a *basicAuth) known(h *message.Head, w *Workspace) (passwords.Verdict, *LocalReply) {
	name, password, reply := a.credentials(h, w)
	if reply != nil {
		return passwords.Wrong, reply
	}
	defer clear(w.credentials)
	var v passwords.Verdict
	if v, w.value = a.file.Known(name, password, w.value); v == passwords.Wrong {
		reply = a.refuse
	}
	return v, reply
}

// credentials are those of the request. They lie in w, to be cleared.
func (a *basicAuth) credentials(h *message.Head, w *Workspace) (name, password []byte, reply *LocalReply) {
	switch h.Count(message.Authorization) {
	case 0:
		return nil, nil, a.missing
	case 1:
	default: // who reads the other one would let in somebody else
		return nil, nil, a.ambiguous
	}
	var ok bool
	name, password, w.credentials, ok = passwords.Credentials(h.Get(message.Authorization), w.credentials)
	if !ok {
		clear(w.credentials)
		return nil, nil, a.missing
	}
	return name, password, nil
}

// CheckPassword checks the password of a request of which Decide has left that open, and returns the reply to one that
// is not let in. It takes tens of milliseconds of a processor, unless another request has brought the same password
// meanwhile. wrong: it was checked, and does not fit.
func (d *Decision) CheckPassword(h *message.Head, w *Workspace) (reply *LocalReply, wrong bool) {
	a := d.Route.auth
	name, password, reply := a.credentials(h, w)
	if reply != nil {
		return reply, false
	}
	defer clear(w.credentials)
	v, room := a.file.Known(name, password, w.value)
	w.value = room
	switch {
	case v == passwords.Right:
	case v == passwords.Wrong:
		return a.refuse, false
	case !a.file.Check(name, password):
		return a.refuse, true
	}
	d.unchecked = false
	return nil, false
}

// Unchecked tells whether the password of a pending request has to be checked.
func (d *Decision) Unchecked() bool { return d.unchecked }
