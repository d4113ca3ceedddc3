package sidecar

import (
	"regexp"
	"strings"
)

// serviceLink tells whether a variable is one of those that Kubernetes injects
// for each Service of the namespace. One that is named gateway, or gateway-admin,
// makes such names begin with our prefix. None of ours has these forms.
func serviceLink(name, value string) bool {
	switch {
	case strings.HasSuffix(name, "_SERVICE_HOST"), servicePort.MatchString(name), portProtocol.MatchString(name):
		return true
	case strings.HasSuffix(name, "_PORT"):
		return strings.HasPrefix(value, "tcp://") || strings.HasPrefix(value, "udp://") ||
			strings.HasPrefix(value, "sctp://")
	}
	return false
}

var (
	servicePort  = regexp.MustCompile(`_SERVICE_PORT(_[A-Z0-9_]+)?$`)
	portProtocol = regexp.MustCompile(`_PORT_[0-9]+_(TCP|UDP|SCTP)(_[A-Z]+)?$`)
)
