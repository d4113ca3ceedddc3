package sidecar

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/passwords"
	"github.com/fabian4/gateway-homebrew-go/l4"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Options are what a Sidecar takes from its surroundings.
type Options struct {
	Logger   hclog.Logger // nil = silent
	Settings []Setting    // what the bootstrap was made of, for the status

	// Eyes is set where the access log goes to somebody's terminal: its lines are short then, and the fields that
	// documents choose do not count.
	Eyes *Eyes
}

// Eyes are of somebody who reads the access log as it is written.
type Eyes struct {
	Colour bool
}

// Sidecar is one gateway: all layers, wired. Make it with New and call Run once.
type Sidecar struct {
	boot     Bootstrap
	settings []Setting // never edited
	logger   hclog.Logger
	level    logLevel
	started  time.Time

	registry *telemetry.Registry
	log      *telemetry.AccessLog
	tracer   *telemetry.Tracer // nil: nothing is traced
	sweeper  *netio.Sweeper
	limit    *netio.Limit // of connections, over both planes
	set      *cluster.Set
	certs    *mtls.Set
	users    *passwords.Set
	proxy    *proxy.Server
	l4       *l4.Server
	source   discovery.Source
	consul   *consul.Client  // nil: no Consul in use
	catalog  *consul.Catalog // nil without consul
	ack      *consul.Ack     // nil: nothing is acknowledged

	registrar *consul.Registrar // nil: nothing is registered

	reload chan struct{} // holds a token when the active source is to be read anew
	drain  chan struct{} // closed by the first drain
	once   sync.Once     // closes drain

	state *state      // nil: nothing is kept; opened by Run
	again atomic.Bool // a person wants what was refused tried again

	draining atomic.Bool
	mu       sync.Mutex
	// +checklocks:mu
	now serving
}

// New checks what can be checked before anything runs: addresses of Consul, the access log's file. Errors name the
// knob.
func New(b Bootstrap, o Options) (*Sidecar, error) {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	s := &Sidecar{
		boot: b, settings: o.Settings, started: time.Now(),
		logger: o.Logger, level: logLevel{logger: o.Logger, usual: b.LogLevel},
		registry: telemetry.NewRegistry(), sweeper: netio.NewSweeper(), limit: b.limit(),
		certs:  mtls.NewSet(mtls.Options{Logger: o.Logger.Named("tls"), Unwatched: b.Benchmark}),
		users:  passwords.NewSet(passwords.Options{Logger: o.Logger.Named("auth"), Unwatched: b.Benchmark}),
		reload: make(chan struct{}, 1), drain: make(chan struct{}),
	}
	s.set = cluster.NewSet(cluster.Options{
		Registry: s.registry, Logger: o.Logger.Named("cluster"),
		Recheck: func(c config.Consul) { s.catalog.Recheck(consul.QueryOf(c)) },
	})
	countRejections(s.registry)
	s.registry.SetDescriptors(descriptors)
	s.registry.SetCertificates(s.certs.Certificates)
	s.certs.Observe(ForeignCertificates()) // their end is told, too
	if err := s.connect(); err != nil {
		return nil, err
	}
	if b.AccessLog != "off" {
		var err error
		s.log, err = telemetry.OpenAccessLog(b.AccessLog, &s.registry.AccessLogDropped, func(err error) {
			s.logger.Warn("access log cannot be written", "path", b.AccessLog, "error", err)
		})
		if err != nil {
			return nil, fmt.Errorf("GATEWAY_ACCESS_LOG: %w", err)
		}
		if o.Eyes != nil {
			s.log.ShortLines(o.Eyes.Colour)
		}
	}
	return s, nil
}

// connect makes the source of documents, and the way to Consul if anything may need it.
func (s *Sidecar) connect() error {
	var err error
	s.consul, err = consul.New(consul.Options{
		Version: Built().Version, Log: s.logger.Named("consul"),
		CountError: func(c telemetry.DiscoveryClass) { s.registry.DiscoveryErrors(c).Inc() },
	})
	if err != nil {
		return err
	}
	s.catalog = s.consul.Catalog()
	s.makeRegistrar()
	s.registry.SetDiscoveryAge(func() time.Duration {
		age, ok := s.consul.Age()
		if !ok {
			return -1 // never
		}
		return age
	})
	s.registry.SetRevisionAge(s.revisionAge)
	switch s.boot.Source {
	case SourceFile:
		s.source, err = discovery.NewFile(s.boot.Config, s.logger.Named("file"))
	case SourceConsul:
		s.source, err = s.consul.Source(s.boot.ConsulKey)
		if s.boot.Ack == AckAuto && !s.boot.Benchmark {
			s.ack = s.consul.Ack(s.boot.ConsulKey, s.boot.Service, s.boot.Instance)
		}
	default:
		s.source = discovery.NewEnv()
	}
	return err
}

// Run serves until ctx ends or the admin port asks for a drain; then it drains and returns. The error is why it could
// not begin.
func (s *Sidecar) Run(ctx context.Context) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx)) // of everything; ends after the drain
	defer end()
	var background sync.WaitGroup // the goroutines that live as long as life
	run := func(f func(context.Context)) { background.Go(func() { f(life) }) }

	defer s.level.stop()
	s.state = openState(&s.boot, s.logger.Named("state"))
	defer s.state.begun()
	ln, err := s.listenAdmin()
	if err != nil {
		return err
	}
	provider, err := telemetry.Start(life, telemetry.Options{
		Registry: s.registry, Logger: s.logger.Named("otlp"), Service: s.boot.Service, Instance: s.boot.Instance,
		Version: Built().Version,
	})
	if err != nil { // no reason not to serve
		for problem := range strings.SplitSeq(err.Error(), "\n") {
			s.logger.Error("no metrics are sent", "error", problem)
		}
	}
	s.tellStart(ln, provider)
	admin := s.serveAdmin(ln, provider.Handler())
	s.registry.ConnectionLimit(s.limit.Max())
	s.tracer = provider.Tracer()
	s.makePlanes(life)
	run(s.sweeper.Run)
	run(s.set.Run)
	run(s.registry.KeepRates)
	run(trim)
	if !s.boot.Benchmark {
		run(s.certs.RunExpiry)
		run(func(ctx context.Context) { watchLimit(ctx, s.logger, s.limit.Max(), s.limit.Waits) })
	}
	if s.log != nil {
		run(s.log.Run)
	}

	reading, stop := context.WithCancel(life) // of documents; ends before the drain
	defer stop()
	following, unfollow := context.WithCancel(life) // of endpoints; ends after it
	defer unfollow()
	var control sync.WaitGroup
	documents := make(chan discovery.Document)
	frozen := make(chan error, 1) // no revision comes into service any more
	control.Go(func() { s.source.Run(reading, documents) })
	control.Go(func() { s.consul.Run(following) })
	control.Go(func() { s.catalog.Run(following) })
	control.Go(func() { s.ack.Run(reading) })
	locator := newLocator(s)
	control.Go(func() { locator.run(following) })
	if s.registrar != nil {
		control.Go(func() { s.registrar.Run(following) })
	}
	control.Go(s.state.run)
	control.Go(func() { (&applier{Sidecar: s, locator: locator}).run(reading, following, documents, frozen) })

	var failed error
	select {
	case <-ctx.Done():
		s.shutDown(life, stop, frozen)
	case <-s.drain:
		s.shutDown(life, stop, frozen)
	case failed = <-frozen: // at the start: nothing serves
		stop()
	}
	unfollow()
	control.Wait()
	s.flush(context.WithoutCancel(ctx), provider)
	s.certs.Close()
	s.users.Close()
	s.set.Retire(nil)
	end()
	background.Wait()
	return errors.Join(failed, admin.close(ctx))
}

// makePlanes makes both data planes, which share a limit of connections. What they start ends with life.
func (s *Sidecar) makePlanes(life context.Context) {
	s.proxy = proxy.New(life, proxy.Options{
		Registry: s.registry, Logger: s.logger.Named("proxy"), Sweeper: s.sweeper, Limit: s.limit,
		Log: s.log, Tracer: s.tracer, Trusted: s.boot.TrustedProxies, MaxHead: int(s.boot.MaxHeaderBytes),
		Queue: proxy.Queue{Cluster: appCluster, Concurrency: s.boot.AppConcurrency,
			Timeout: s.boot.AppQueueTimeout},
		Service: s.boot.Service, Instance: s.boot.Instance,
		Inherit:   func(address string) *netio.Listener { return s.l4.Share(address) },
		Unchecked: s.boot.Benchmark, Passwords: s.users,
	})
	s.l4 = l4.New(life, l4.Options{
		Registry: s.registry, Logger: s.logger.Named("l4"), Limit: s.limit, Log: s.log, Inherit: s.proxy.Share,
	})
}

// Reload reads the source, the certificates, the password files and the Consul token anew and reopens the access log,
// as SIGHUP asks for. It does not wait for the result. Safe from any goroutine.
func (s *Sidecar) Reload() {
	s.again.Store(true)
	s.source.Reload()
	s.consul.Reload()
	s.catalog.Reload()
	s.certs.Reload()
	s.users.Reload()
	if s.log != nil {
		before := s.log.NotReopened()
		if err := s.log.Reopen(); err != nil {
			s.logger.Warn("access log cannot be opened anew, the open one stays in use", "error", err)
		} else if before != "" {
			s.logger.Info("access log is opened anew, as it could not be before")
		}
	}
}

// Drain begins the end, as SIGTERM does. A second call does nothing. Safe from any goroutine.
func (s *Sidecar) Drain() { s.once.Do(func() { close(s.drain) }) }
