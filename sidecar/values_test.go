package sidecar

import (
	"fmt"
	"strings"
	"testing"
)

func TestSize(t *testing.T) {
	const not = "want a size such as 65536, 64KiB or 10MB"
	checkDecode(t, []decodeRow{
		{in: "0", want: "0"},
		{in: "65536", want: "65536"},
		{in: "10B", want: "10"},
		{in: "64KiB", want: "65536"},
		{in: "64 KiB", want: "65536"},
		{in: "1kB", want: "1000"},
		{in: "2MB", want: "2000000"},
		{in: "1MiB", want: "1048576"},
		{in: "1GB", want: "1000000000"},
		{in: "1GiB", want: "1073741824"},
		{in: "", wrong: not},
		{in: "KiB", wrong: not},
		{in: "-1", wrong: "want a size from 0 to 1PiB"},
		{in: "1.5KiB", wrong: not},
		{in: "1k", wrong: not},
		{in: "9223372036854775807KiB", wrong: "want a size from 0 to 1PiB"},
		{in: "99999999999999999999", wrong: not},
	}, func(in string) (string, error) {
		var s Size
		err := s.Decode(in)
		return fmt.Sprint(int64(s)), err
	})
}

func TestFields(t *testing.T) {
	checkDecode(t, []decodeRow{
		{in: "time", want: "[time]"},
		{in: "status, time,", want: "[status time]"},
		{in: "time,time", wrong: `"time": named twice`},
		{in: "statuss", wrong: `"statuss": no field of the access log (perhaps status)`},
		{in: "time,,status", wrong: `"": no field of the access log`},
	}, func(in string) (string, error) {
		var f Fields
		err := f.Decode(in)
		return fmt.Sprint([]string(f)), err
	})
}

func TestPrefixes(t *testing.T) {
	checkDecode(t, []decodeRow{
		{in: "10.0.0.0/8, 192.168.1.1,::1", want: "[10.0.0.0/8 192.168.1.1/32 ::1/128]"},
		{in: "10.0.0.1/8", wrong: `"10.0.0.1/8": has bits beyond its mask (the network is 10.0.0.0/8)`},
		{in: "10.0.0.0/33", wrong: `"10.0.0.0/33": not a network (like 10.0.0.0/8)`},
		{in: "fe80::1%eth0", wrong: `"fe80::1%eth0": not a network (like 10.0.0.0/8)`},
		{in: "proxy.example.com", wrong: `"proxy.example.com": not a network (like 10.0.0.0/8)`},
	}, func(in string) (string, error) {
		var p Prefixes
		err := p.Decode(in)
		return fmt.Sprint(p), err
	})
}

func readPairs(in string) (string, error) {
	var p Pairs
	err := p.Decode(in)
	var all []string
	for _, c := range p {
		all = append(all, c.CertFile+":"+c.KeyFile)
	}
	return strings.Join(all, ","), err
}

func TestPairs(t *testing.T) {
	checkDecode(t, []decodeRow{
		{in: "cert.pem:key.pem", want: "cert.pem:key.pem"},
		{in: "a.pem:a.key, b.pem:b.key", want: "a.pem:a.key,b.pem:b.key"},
		{in: "cert.pem", wrong: `"cert.pem": not a pair of files (like cert.pem:key.pem)`},
		{in: "a:b:c", wrong: `"a:b:c": not a pair of files (like cert.pem:key.pem)`},
		{in: ":b", wrong: `":b": not a pair of files (like cert.pem:key.pem)`},
	}, readPairs)
}

func TestTags(t *testing.T) {
	checkDecode(t, []decodeRow{
		{in: "v2", want: "[v2]"},
		{in: "v2, urlprefix-/api strip=/api,", want: "[v2 urlprefix-/api strip=/api]"},
		{in: "v2,v2", wrong: `"v2": named twice`},
		{in: "v2,,eu", wrong: `"": empty`},
	}, func(in string) (string, error) {
		var tags Tags
		err := tags.Decode(in)
		return fmt.Sprint([]string(tags)), err
	})
}

func TestMeta(t *testing.T) {
	long := strings.Repeat("x", 513)
	many := ""
	for i := range 61 {
		many += fmt.Sprintf("k%d=v;", i)
	}
	checkDecode(t, []decodeRow{
		{in: "version=2", want: "[{version 2}]"},
		{in: "version = 2; zone=eu-1=a;", want: "[{version 2} {zone eu-1=a}]"},
		{in: "empty=", want: "[{empty }]"},
		{in: "version", wrong: `"version": no = (the form is key=value)`},
		{in: "a.b=c", wrong: `"a.b=c": "a.b" is not a key (letters, digits, - _, at most 128)`},
		{in: "=c", wrong: `"=c": "" is not a key (letters, digits, - _, at most 128)`},
		{in: "consul-x=c", wrong: `"consul-x=c": key consul-x is taken`},
		{in: "gateway-instance=c", wrong: `"gateway-instance=c": key gateway-instance is taken`},
		{in: "a=b;a=c", wrong: `"a=c": key a is there already`},
		{in: "a=" + long, wrong: `"a=` + long + `": the value is longer than 512 bytes`},
		{in: many, wrong: `"k60=v": more than 60 keys`},
	}, func(in string) (string, error) {
		var m Meta
		err := m.Decode(in)
		return fmt.Sprint([]MetaEntry(m)), err
	})
}
