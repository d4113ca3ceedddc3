package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

// profile has the gateway write where its time goes while it is measured, if that is asked for. The error comes when the
// profile is written.
func (m *measurement) profile() <-chan error {
	written := make(chan error, 1)
	if m.profiles == "" || m.proxy.name != "gateway" {
		written <- nil
		return written
	}
	go func() { written <- m.writeProfile() }()
	return written
}

func (m *measurement) writeProfile() error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", m.proxy.ports.Admin, m.seconds)
	request, err := http.NewRequestWithContext(m.ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, response.Status)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(m.profiles, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(m.profiles, m.scenario.name+".pprof"), text, 0o600)
}
