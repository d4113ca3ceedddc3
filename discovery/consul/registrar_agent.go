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
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

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
