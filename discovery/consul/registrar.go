package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const (
	// registeredTTL is how long the agent believes what it was told of the gateway last; told is how often that is.
	registeredTTL  = 15 * time.Second
	registeredTold = 5 * time.Second
	// readyEvery is how often the gateway is looked at. A change is told at once.
	readyEvery = time.Second
	// registeredDead is after how long without a good word the agent forgets a gateway that was killed.
	registeredDead = "10m"

	registerTimeout   = 5 * time.Second
	deregisterTimeout = 2 * time.Second

	// OwnedBy is the key of the meta data by which a gateway knows its own service again.
	OwnedBy = "gateway-instance"
	// drains is the reason of a maintenance of our own.
	drains = "the gateway drains"
)

// Service is what a gateway registers of itself.
type Service struct {
	ID, Name string
	Instance string // of the gateway
	Address  string // empty = that of the agent's node
	Port     int
	Tags     []string
	Meta     map[string]string
}

// RegistrarOptions say what to register. The functions are called from the goroutine of Run, and must not block.
type RegistrarOptions struct {
	// Service is what is to be registered now; ok is false while there is nothing that others could reach.
	Service func() (s Service, ok bool)
	// Ready says why the gateway should get no requests, a sentence each; none = it should.
	Ready func() []string
}

// Registrar keeps the service of the gateway registered at the agent, with a TTL check that passes while the gateway is
// ready. It touches no other service.
type Registrar struct {
	client  *Client
	options RegistrarOptions
	log     hclog.Logger
	tracker *discovery.Tracker

	leave chan struct{} // closed by Leave
	once  sync.Once

	// Of the goroutine of Run.
	state  registrarState
	as     Service // what was last sent to the agent
	status string  // that the agent was told last
	output string
	toldAt time.Time
	fails  int
	logged string // the last error in the log
}

// registrarState is how far the registration is.
type registrarState uint8

const (
	unregistered registrarState = iota // or the agent does not know it any more
	registered
	inMaintenance // it drains
)

// Registrar makes one. The name is for /status.
func (c *Client) Registrar(name string, o RegistrarOptions) *Registrar {
	t := discovery.NewTracker(nil, "registration of "+name) // what it logs is about watches
	t.OnError = c.options.CountError
	return &Registrar{client: c, options: o, log: c.log, tracker: t, leave: make(chan struct{})}
}

// Status is how it fares. Safe from any goroutine.
func (r *Registrar) Status() discovery.Status { return r.tracker.Status() }

// Leave puts the service into maintenance, until Run ends. A second call does nothing. Safe from any goroutine.
func (r *Registrar) Leave() { r.once.Do(func() { close(r.leave) }) }

// Run keeps the service registered until ctx ends. Then it deregisters it, for which it takes two seconds at most.
func (r *Registrar) Run(ctx context.Context) {
	defer r.leaveAgent(context.WithoutCancel(ctx))
	wake := time.NewTimer(0)
	defer wake.Stop()
	leave, leaving := r.leave, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-leave:
			leave, leaving = nil, true
		case <-wake.C:
		}
		wake.Reset(r.step(ctx, leaving))
	}
}

// step does what is due, and says when the next step is.
func (r *Registrar) step(ctx context.Context, leaving bool) time.Duration {
	var did bool
	var err error
	s, ok := r.options.Service()
	if ok {
		did, err = r.do(ctx, s, leaving)
	} else {
		did, err = r.deregister(ctx)
	}
	switch {
	case ctx.Err() != nil:
		return 0
	case err != nil:
		r.fails++
		class := classOf(err)
		r.tracker.Failed(class, err)
		if text := err.Error(); text != r.logged {
			r.logged = text
			if ok {
				r.log.Warn("service is not registered as it should be", "service", s.ID, "class", class.String(),
					"error", text)
			} else {
				r.log.Warn("service is not deregistered", "service", r.as.ID, "error", text)
			}
		}
		return backoff(class, r.fails)
	case did:
		r.fails, r.logged = 0, ""
		r.tracker.OK(0)
		if r.state == unregistered {
			return readyEvery // an agent that forgets it again and again is not asked without a pause
		}
		return 0 // there may be more to do
	}
	return readyEvery
}

// do makes the first change that is due; did is false if none is.
func (r *Registrar) do(ctx context.Context, s Service, leaving bool) (did bool, err error) {
	status, output := "passing", "ready"
	if why := r.options.Ready(); len(why) > 0 {
		status, output = "critical", strings.Join(why, "\n")
	}
	switch {
	case r.state == unregistered || !reflect.DeepEqual(s, r.as):
		return true, r.register(ctx, s, status)
	case leaving && r.state != inMaintenance:
		query := url.Values{"enable": {"true"}, "reason": {drains}}
		_, err := r.agent(ctx, http.MethodPut, "/v1/agent/service/maintenance/"+url.PathEscape(s.ID), query, nil, nil)
		if err == nil {
			r.state = inMaintenance
		}
		return true, err
	case status != r.status || output != r.output || time.Since(r.toldAt) >= registeredTold:
		return true, r.tell(ctx, status, output)
	}
	return false, nil
}

// register registers the service, or what has changed of it.
func (r *Registrar) register(ctx context.Context, s Service, status string) error {
	r.state, r.as, r.status = unregistered, s, "" // whatever becomes of it, the agent may have it from now on
	if _, err := r.ours(ctx); err != nil {
		return err
	}
	meta := map[string]string{OwnedBy: s.Instance}
	maps.Copy(meta, s.Meta)
	_, err := r.agent(ctx, http.MethodPut, "/v1/agent/service/register", url.Values{}, map[string]any{
		"ID": s.ID, "Name": s.Name, "Address": s.Address, "Port": s.Port, "Tags": s.Tags, "Meta": meta,
		"Check": map[string]any{
			"CheckID": checkID(s.ID), "Name": "ready", "TTL": registeredTTL.String(), "Status": status,
			"DeregisterCriticalServiceAfter": registeredDead,
		},
	}, nil)
	if err == nil {
		err = r.endOwnMaintenance(ctx)
	}
	if err != nil {
		return err
	}
	r.state = registered
	r.log.Info("service registered", "service", s.ID, "name", s.Name, "address", s.Address, "port", s.Port)
	return nil
}

func checkID(service string) string { return "service:" + service }

// ours tells whether the agent has the service. That somebody else has registered one of this id is an error.
func (r *Registrar) ours(ctx context.Context) (there bool, err error) {
	var found struct {
		Service string
		Meta    map[string]string
	}
	there, err = r.agent(ctx, http.MethodGet, "/v1/agent/service/"+url.PathEscape(r.as.ID), url.Values{}, nil, &found)
	if err == nil && there && (found.Meta[OwnedBy] != r.as.Instance || found.Service != r.as.Name) {
		err = faultf(telemetry.DiscoveryServer,
			"something else has registered a service with this id (set GATEWAY_INSTANCE)")
	}
	return there, err
}

// endOwnMaintenance ends that of a process before this one, which did not come to its end. What a person has begun
// stays.
func (r *Registrar) endOwnMaintenance(ctx context.Context) error {
	var checks map[string]struct{ Notes string }
	query := url.Values{"filter": {fmt.Sprintf("ServiceID == %q", r.as.ID)}}
	if _, err := r.agent(ctx, http.MethodGet, "/v1/agent/checks", query, nil, &checks); err != nil {
		return err
	}
	if checks["_service_maintenance:"+r.as.ID].Notes != drains {
		return nil
	}
	_, err := r.agent(ctx, http.MethodPut, "/v1/agent/service/maintenance/"+url.PathEscape(r.as.ID),
		url.Values{"enable": {"false"}}, nil, nil)
	return err
}

// tell tells the agent how the gateway is. One that does not know the check, since it was restarted or somebody has
// deregistered the service, is to get the service again.
func (r *Registrar) tell(ctx context.Context, status, output string) error {
	known, err := r.agent(ctx, http.MethodPut, "/v1/agent/check/update/"+url.PathEscape(checkID(r.as.ID)), url.Values{},
		map[string]string{"Status": status, "Output": output}, nil)
	if !known && err == nil || err != nil && strings.Contains(err.Error(), "Unknown check") {
		r.log.Warn("the agent has lost the service, it gets it again", "service", r.as.ID)
		r.state = unregistered
		return nil
	}
	if err == nil {
		r.status, r.output, r.toldAt = status, output, time.Now()
	}
	return err
}

// leaveAgent makes the last attempt to deregister.
func (r *Registrar) leaveAgent(ctx context.Context) {
	if _, err := r.deregister(ctx); err != nil {
		r.log.Warn("service is not deregistered", "service", r.as.ID, "error", err)
	}
}

// deregister takes back what was registered; did is false if nothing was. After an error the agent may have it still.
func (r *Registrar) deregister(ctx context.Context) (did bool, err error) {
	if r.as.ID == "" {
		return false, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, deregisterTimeout, errSlow)
	defer cancel()
	there, err := r.ours(ctx)
	if err == nil && there {
		path := "/v1/agent/service/deregister/" + url.PathEscape(r.as.ID)
		_, err = r.agent(ctx, http.MethodPut, path, url.Values{}, nil, nil)
	}
	if err != nil {
		return true, err
	}
	if there {
		r.log.Info("service deregistered", "service", r.as.ID)
	}
	r.state, r.as = unregistered, Service{}
	return true, nil
}

// agent makes one request to the agent itself; found is false where it is answered with 404. With out, the response is
// JSON for it.
func (r *Registrar) agent(
	ctx context.Context, method, path string, query url.Values, body, out any,
) (found bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, registerTimeout, errSlow)
	defer cancel()
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return false, faultf(telemetry.DiscoveryServer, "encode: %w", err)
		}
	}
	resp, _, err := r.client.send(ctx, method, path, query, text, false)
	if err != nil {
		return false, r.explain(inTime(ctx, err))
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(io.LimitReader(resp.Body, maxElementBytes))
	if err != nil {
		return false, inTime(ctx, transportFault(err))
	}
	if resp.StatusCode == http.StatusNotFound {
		return false, nil
	}
	if out != nil {
		if err := json.Unmarshal(content, out); err != nil {
			return false, faultf(telemetry.DiscoveryServer, "response: %w", err)
		}
	}
	return true, nil
}

// explain says which right is missing, where one is.
func (r *Registrar) explain(err error) error {
	if f, ok := errors.AsType[*fault](err); ok && f.class == telemetry.DiscoveryACL {
		return faultf(f.class, "the token needs %s: %w", rule("service", r.as.Name, "write"), f.err)
	}
	return err
}
