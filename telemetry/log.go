package telemetry

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// levels are the values of GATEWAY_LOG_LEVEL.
var levels = []string{"trace", "debug", "info", "warn", "error", "off"}

// LogLevels returns the levels from the most to the least talkative. The caller owns the slice.
func LogLevels() []string { return slices.Clone(levels) }

// NewLogger makes the root logger of the process. level is one of trace, debug,
// info, warn, error and off. format is json (one object a line) or text (for
// eyes: coloured on a terminal). Every line reaches w whole, in one Write.
func NewLogger(level, format string, w io.Writer) (hclog.Logger, error) {
	if !slices.Contains(levels, level) {
		return nil, fmt.Errorf("env GATEWAY_LOG_LEVEL: %q: not one of %s", level, strings.Join(levels, ", "))
	}
	options := hclog.LoggerOptions{Name: "gateway", Level: hclog.LevelFromString(level), Output: w}
	options.JSONEscapeDisabled = true // "a -> b" is for eyes too; no browser reads it as HTML
	switch format {
	case "json":
		options.JSONFormat = true
	case "text":
		options.TimeFormat = "15:04:05.000"
		// hclog takes every writer that is no file for a terminal.
		if _, file := w.(*os.File); file {
			options.Color = hclog.AutoColor
			options.ColorHeaderOnly = true
		}
	default:
		return nil, fmt.Errorf("env GATEWAY_LOG_FORMAT: %q: not one of json, text", format)
	}
	return hclog.New(&options), nil
}
