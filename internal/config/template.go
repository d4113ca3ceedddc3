package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Variable is what a value has in place of itself.
type Variable uint8

const (
	NoVariable Variable = iota // text
	VarRemoteIP
	VarHost
	VarPath
	VarMethod
	VarScheme
	VarRequestID
	VarTraceID
	VarRoute
	VarCluster
	VarEndpoint
	VarListener
	VarClientIdentity
	VarTLSVersion
	VarRevision
	VarService
	VarInstance
	VariableCount // how many there are
)

// variableNames holds the names between ${ and }.
var variableNames = [VariableCount]string{
	VarRemoteIP: "remote_ip", VarHost: "host", VarPath: "path", VarMethod: "method", VarScheme: "scheme",
	VarRequestID: "request_id", VarTraceID: "trace_id", VarRoute: "route", VarCluster: "cluster",
	VarEndpoint: "endpoint", VarListener: "listener", VarClientIdentity: "client_identity",
	VarTLSVersion: "tls_version", VarRevision: "revision", VarService: "service", VarInstance: "instance",
}

// Piece is a part of a value: text, or a variable.
type Piece struct {
	Text     string
	Variable Variable
}

// maxVariables bounds what one value may grow to: each variable is at most a request head.
const maxVariables = 16

// ParseTemplate takes a value with variables apart: ${name} is one, $$ is a dollar, all else is text. No two texts are
// neighbours. The error says what to write instead, and shows no more of the value than the name of a variable.
func ParseTemplate(value string) ([]Piece, error) {
	var pieces []Piece
	var text strings.Builder
	variables := 0
	flush := func() {
		if text.Len() > 0 {
			pieces = append(pieces, Piece{Text: text.String()})
			text.Reset()
		}
	}
	for rest := value; rest != ""; {
		before, after, found := strings.Cut(rest, "$")
		text.WriteString(before)
		if !found {
			break
		}
		switch {
		case strings.HasPrefix(after, "$"):
			text.WriteByte('$')
			rest = after[1:]
			continue
		case !strings.HasPrefix(after, "{"):
			return nil, errors.New("want ${name} for a variable, $$ for a dollar")
		}
		name, behind, closed := strings.Cut(after[1:], "}")
		if !closed {
			return nil, errors.New("a variable begins with ${ and does not end: want } behind its name")
		}
		v, err := variableNamed(name)
		if err != nil {
			return nil, err
		}
		if variables++; variables > maxVariables {
			return nil, fmt.Errorf("want at most %d variables in a value", maxVariables)
		}
		flush()
		pieces = append(pieces, Piece{Variable: v})
		rest = behind
	}
	flush()
	return pieces, nil
}

func variableNamed(name string) (Variable, error) {
	known := variableNames[NoVariable+1:]
	if i := slices.Index(known, name); i >= 0 {
		return NoVariable + 1 + Variable(i), nil
	}
	like := meant(name, known)
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" || name == "" { // it may be a secret, so it is not shown
		return NoVariable, fmt.Errorf("want the name of a variable between ${ and }%s",
			either(like != "", ": did you mean ${"+like+"}?", ""))
	}
	if like != "" {
		return NoVariable, fmt.Errorf("variable ${%s} is not known: did you mean ${%s}?", clip(name), like)
	}
	return NoVariable, fmt.Errorf("variable ${%s} is not known (known: %s)", clip(name), strings.Join(known, ", "))
}
