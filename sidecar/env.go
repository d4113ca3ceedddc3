package sidecar

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"
)

// prefix begins the name of each of our variables.
const prefix = "GATEWAY"

// none is how the tables show that a variable has no default.
const none = "(none)"

// Bootstrap is what only a restart changes: one field, one variable, one flag. A variable's name is the field's, in
// words. `default` is its text when neither flag nor environment says anything, and `shown` is how the tables show a
// default that needs words. `oneof` has the only texts there are, and `group` says what it and those below it are
// about. Load fills and checks it.
type Bootstrap struct {
	Service  string `split_words:"true" default:"app" desc:"the app's service name; names the KV key and the metrics" group:"the service"`
	Instance string `split_words:"true" shown:"host name" desc:"this sidecar's id"`

	Listen      string    `split_words:"true" default:":8080" desc:"address of the default HTTP listener; empty = none" group:"what it serves without a document"`
	App         string    `split_words:"true" desc:"host:port of the app beside us: becomes cluster app and the route /"`
	Upstreams   Upstreams `split_words:"true" desc:"static clusters: orders=10.0.0.1:9000*3,10.0.0.2:9000; users=consul:users@v1 (*3 = weight, consul:NAME[@tag] = from the catalog)"`
	Routes      Routes    `split_words:"true" desc:"routes to clusters: api.example.com/v1=orders; /=app"`
	TCP         Forwards  `split_words:"true" desc:"addresses to clusters, as bytes: :3306=mysql; 127.0.0.1:6379=redis"`
	TLSCerts    Pairs     `split_words:"true" desc:"cert.pem:key.pem, ...: the default listener speaks TLS, certificate chosen by SNI"`
	TLSClientCA string    `split_words:"true" desc:"file of the CAs one of which must have signed a client's certificate (mTLS in)"`

	Source    Source `split_words:"true" default:"auto" oneof:"auto,env,file,consul" desc:"where the document is: env, file, consul; auto = consul if CONSUL_HTTP_ADDR is set, else file if GATEWAY_CONFIG is set, else env" group:"the document"`
	Config    string `split_words:"true" desc:"path of the document (file source); watched, hot"`
	ConsulKey string `split_words:"true" default:"gateway/<service>/config" desc:"KV key of the document; ending in / = a folder whose keys are merged into one revision"`
	Ack       Ack    `split_words:"true" default:"auto" oneof:"auto,off" desc:"say in Consul what becomes of each document, for gateway push --wait and gateway fleet: auto (where the token may), off"`

	Register     bool `split_words:"true" default:"false" desc:"register the service at the local Consul agent, with a check that passes while the gateway is ready" group:"registration in Consul, and location"`
	RegisterTags Tags `split_words:"true" desc:"tags of that service, a comma list"`
	RegisterMeta Meta `split_words:"true" desc:"its meta data: version=2; zone=eu-1"`

	Zone string `split_words:"true" desc:"where the gateway runs, for clusters with prefer: zone; by default the zone of the Consul agent's node"`

	StateDir string `split_words:"true" desc:"directory of the gateway alone (mode 0700) where the last good revision and its endpoints are kept, for a start without Consul" group:"restarts and new revisions"`

	Probation time.Duration `split_words:"true" default:"15s" desc:"how long after a swap the revision before is put back if the new one makes requests fail; 0 = never"`

	Spread time.Duration `split_words:"true" default:"0" shown:"0 (at once)" desc:"time over which the gateways of a service apply a new revision one after the other, each after its own part of it; a first revision and a rollback at once"`

	AdminListen string `split_words:"true" default:"127.0.0.1:9901" desc:"admin and health; empty = off" group:"the admin port"`

	ReadTimeout     time.Duration `split_words:"true" default:"15s" desc:"whole request head, and the longest silence inside a request body" group:"timeouts"`
	WriteTimeout    time.Duration `split_words:"true" default:"30s" desc:"longest stall of one write to the client"`
	UpstreamTimeout time.Duration `split_words:"true" default:"10s" desc:"request sent -> response head; 0 = none"`
	ConnectTimeout  time.Duration `split_words:"true" default:"2s" desc:"TCP (and TLS) connect to an endpoint"`
	IdleTimeout     time.Duration `split_words:"true" default:"60s" desc:"keep-alive connection without a request"`
	TCPIdleTimeout  time.Duration `split_words:"true" default:"5m" desc:"L4 and upgraded connections: no byte either way; 0 = none"`
	TCPMaxDuration  time.Duration `split_words:"true" default:"0" shown:"0 (none)" desc:"L4: whole life of a connection"`
	DrainDelay      time.Duration `split_words:"true" default:"2s" shown:"2s (0s in dev)" desc:"/ready fails but we still accept, so that balancers notice"`
	DrainTimeout    time.Duration `split_words:"true" default:"30s" desc:"SIGTERM -> last cut"`

	TrustedProxies  Prefixes      `split_words:"true" desc:"CIDRs whose X-Forwarded-* are believed and appended to; from others they are set anew" group:"clients, connections and limits"`
	AppConcurrency  int           `split_words:"true" default:"0" shown:"0 (none)" desc:"requests at a time into GATEWAY_APP; more wait, bounded"`
	AppQueueTimeout time.Duration `split_words:"true" default:"1s" desc:"how long they wait"`

	UpstreamMaxIdle     int           `split_words:"true" default:"128" desc:"idle connections kept per endpoint"`
	UpstreamIdleTimeout time.Duration `split_words:"true" default:"90s" desc:"how long they are kept"`
	MaxConnections      int           `split_words:"true" default:"0" shown:"0 (from the fd limit)" desc:"connections accepted at a time, all listeners; 0 = half of the fd limit less a reserve, since each needs two"`
	MaxHeaderBytes      Size          `split_words:"true" default:"64KiB" desc:"request or response head"`

	AccessLog         string  `split_words:"true" default:"stdout" desc:"off, stdout, or a file" group:"logs"`
	AccessLogSampling float64 `split_words:"true" default:"1.0" desc:"share of successful requests logged; 4xx/5xx are always logged"`
	AccessLogFields   Fields  `split_words:"true" shown:"(all)" desc:"comma list, in the order wanted"`
	LogLevel          string  `split_words:"true" default:"info" oneof:"trace,debug,info,warn,error,off" desc:"what is told on stderr: trace, debug, info, warn, error, off"`
	LogFormat         string  `split_words:"true" default:"json" oneof:"json,text" desc:"json or text"`

	Pprof     bool `split_words:"true" default:"false" desc:"/debug/pprof/ on the admin port" group:"debugging and benchmarks"`
	Benchmark bool `split_words:"true" default:"false" desc:"no hot reload, no background tasks, deterministic upstream connections"`
}

// Variable is one row of the table: what a field is called outside, and what it
// means.
type Variable struct {
	Name    string // GATEWAY_ADMIN_LISTEN
	Flag    string // admin-listen
	Default string // the text that is decoded when nothing is given
	Shown   string // Default as people read it
	Help    string
	Group   string   // what it is about; those of one group follow each other
	OneOf   []string // the only texts there are, if they are few
	Switch  bool     // true or false: the flag needs no value

	field reflect.StructField
}

// Variables lists every variable, in the order of the struct. envconfig names them.
func Variables() []Variable {
	var keys strings.Builder
	if err := envconfig.Usagef(prefix, &Bootstrap{}, &keys, "{{range .}}{{usage_key .}} {{end}}"); err != nil {
		panic("BUG: the bootstrap struct has no table: " + err.Error())
	}
	names := strings.Fields(keys.String())
	t := reflect.TypeFor[Bootstrap]()
	vars := make([]Variable, t.NumField())
	group := ""
	for i := range vars {
		vars[i] = variable(names[i], t.Field(i))
		group = cmp.Or(t.Field(i).Tag.Get("group"), group)
		vars[i].Group = group
	}
	return vars
}

func variable(name string, f reflect.StructField) Variable {
	v := Variable{
		Name:    name,
		Flag:    strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, prefix+"_")), "_", "-"),
		Default: f.Tag.Get("default"),
		Shown:   f.Tag.Get("shown"),
		Help:    f.Tag.Get("desc"),
		Switch:  f.Type.Kind() == reflect.Bool,
		field:   f,
	}
	if v.Shown == "" {
		v.Shown = v.Default
	}
	if v.Shown == "" {
		v.Shown = none
	}
	if words := f.Tag.Get("oneof"); words != "" {
		v.OneOf = strings.Split(words, ",")
	}
	return v
}

// decode has envconfig turn text into the variable's field of b.
//
// envconfig reads only the process's own environment, knows no flags, takes a
// name without our prefix too, and stops at the first problem. So it is given one
// field at a time, with the text as its default, under a name that no
// environment can hold.
func (v *Variable) decode(text string, b *Bootstrap) error {
	if text == "" {
		return v.empty()
	}
	one := reflect.New(reflect.StructOf([]reflect.StructField{{
		Name: v.field.Name,
		Type: v.field.Type,
		Tag:  reflect.StructTag("default:" + strconv.Quote(text)),
	}}))
	if err := envconfig.Process("=", one.Interface()); err != nil {
		return v.explain(err)
	}
	value := one.Elem().Field(0)
	if value.Kind() == reflect.Int && strconv.FormatInt(value.Int(), 10) != text {
		return errors.New("not a whole number") // 010 and 0x8 are numbers to strconv, not the same to everyone
	}
	reflect.ValueOf(b).Elem().FieldByIndex(v.field.Index).Set(value)
	return nil
}

// empty judges a variable that is set to nothing. Text and lists may be empty. The rest has no such value, and a
// forgotten one shall not silently be zero.
func (v *Variable) empty() error {
	if k := v.field.Type.Kind(); k == reflect.String || k == reflect.Slice {
		return nil
	}
	return fmt.Errorf("empty (leave it out for the default, %s)", v.Shown)
}

// kind says in a word what texts the variable takes.
func (v *Variable) kind() string {
	switch reflect.Zero(v.field.Type).Interface().(type) {
	case time.Duration:
		return "duration"
	case Size:
		return "size"
	case int, float64:
		return "number"
	case bool:
		return "bool"
	}
	if v.field.Type.Kind() == reflect.Slice {
		return "list"
	}
	return "text"
}

// explain says in our words what envconfig's parsers say in strconv's.
func (v *Variable) explain(err error) error {
	if parse, ok := errors.AsType[*envconfig.ParseError](err); ok {
		err = parse.Err
	}
	switch reflect.Zero(v.field.Type).Interface().(type) {
	case time.Duration:
		return errors.New("not a duration (like 500ms, 15s or 5m)")
	case bool:
		return errors.New("neither true nor false")
	case int:
		return errors.New("not a whole number")
	case float64:
		return errors.New("not a number")
	}
	return err
}
