package consul

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/discovery"
)

const (
	// registeredTTL is how long the agent believes what it was told of the gateway last; told is how often that is.
	registeredTTL  = 15 * time.Second
	registeredTold = 5 * time.Second
	// readyEvery is how often the gateway is looked at. A change is told at once.
	readyEvery = time.Second
	// registeredDead is how long the agent keeps a gateway whose check does not pass, such as one
	// that was killed.
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
