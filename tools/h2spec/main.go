// Command h2spec runs the conformance tests of HTTP/2 against a server:
//
//	h2spec [-tls] [-timeout SECONDS] HOST PORT [SECTION...]
//
// It is the strict mode of the public tool, with nothing but what the tests here need. It exits with 1 when a test has
// failed.
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/summerwind/h2spec"
	"github.com/summerwind/h2spec/config"
)

func main() {
	tls := flag.Bool("tls", false, "connect over TLS, without verifying")
	timeout := flag.Int("timeout", 2, "seconds that one test may take")
	junit := flag.String("junit", "", "write a report in JUnit's form to this file")
	flag.Parse()
	port, err := strconv.Atoi(flag.Arg(1))
	if err != nil {
		fmt.Fprintln(os.Stderr, "usage: h2spec [-tls] [-timeout SECONDS] HOST PORT [SECTION...]")
		os.Exit(2)
	}
	ok, err := h2spec.Run(&config.Config{
		Host: flag.Arg(0), Port: port, Path: "/", Timeout: time.Duration(*timeout) * time.Second, MaxHeaderLen: 4000,
		Strict: true,
		TLS:    *tls, Insecure: true, JUnitReport: *junit, Sections: flag.Args()[2:],
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "h2spec:", err)
	}
	if !ok || err != nil {
		os.Exit(1)
	}
}
