package config

import (
	"regexp"
	"slices"
	"strings"
)

// alsoCalled has, for words of a document, what nginx, Envoy, Traefik, HAProxy, fabio and Consul call the same.
var alsoCalled = map[string][]string{
	// keys of a route and of what it matches
	"host": {"domain", "server_name"}, "hosts": {"domains", "server_names"},
	"path_prefix": {"prefix", "location"}, "path_regex": {"regex", "safe_regex"}, "methods": {"method"},
	"query":  {"query_parameters", "query_params", "params", "strip_query"},
	"source": {"remote_addr", "client_ip", "source_ip", "src", "direct_remote_ip"},
	"exact":  {"exact_match", "string_match", "equals"}, "suffix": {"suffix_match"}, "contains": {"contains_match"},
	"prefix": {"prefix_match"}, "present": {"present_match", "exists"}, "invert": {"invert_match", "not"},
	"ignore_case": {"ignorecase", "case_insensitive"},
	"cluster":     {"service", "upstream", "backend", "proxy_pass", "address", "url", "server", "server_uri"},
	"clusters":    {"weighted_clusters", "weighted", "services", "backends"},
	"prefix_rewrite": {"strip_prefix", "stripprefix", "strip", "prepend", "rewrite", "path_rewrite",
		"replace_path", "add_prefix"},
	"regex_rewrite": {"replace_path_regex", "uri_rewrite"},
	"pattern":       {"regex", "match"},
	"substitution":  {"replacement", "replace", "to"},
	"host_rewrite":  {"host_rewrite_literal", "upstream_host"},
	"preserve_host": {"pass_host_header", "proxy_preserve_host"},
	"request_headers": {"request_headers_to_add", "request_headers_to_remove", "proxy_set_header",
		"allowed_headers", "headers"},
	"response_headers": {"response_headers_to_add", "response_headers_to_remove", "add_header",
		"auth_response_headers"},
	"add": {"append", "to_add"}, "remove": {"delete", "del", "to_remove", "hide"},
	"mirror":   {"request_mirror_policies", "mirrors", "shadow", "mirroring"},
	"percent":  {"weight", "fraction", "runtime_fraction", "percentage"},
	"redirect": {"return_redirect", "redirect_scheme", "redirect_regex"},
	"respond":  {"direct_response", "return", "fixed_response", "static_response"},
	"status":   {"code", "response_code", "status_code", "http_status"},
	"scheme":   {"https_redirect", "scheme_redirect", "proto", "protocol"},
	"port":     {"port_redirect", "port_name"},
	"path":     {"path_redirect", "uri", "check_path"},
	"body":     {"text", "inline_string", "content"}, "content_type": {"type", "mime"},
	"retries": {"retry", "retry_policy", "num_retries"}, "timeouts": {"timeout"},
	// who may
	"allow": {"ip_allow_list", "ip_white_list", "whitelist", "allowlist"}, "deny": {"denylist", "blacklist"},
	"sources":    {"ips", "ip", "cidr", "cidrs", "source_range", "networks", "remote_ips"},
	"identities": {"principals", "spiffe", "sans", "uris", "names"},
	"basic_auth": {"basicauth", "auth_basic"}, "file": {"users_file", "usersfile", "auth_basic_user_file",
		"htpasswd", "users"},
	"external_auth": {"auth_request", "forward_auth", "forwardauth", "ext_authz"},
	"on_error":      {"failure_mode_allow", "fail_open", "failure_mode"},
	// keys of a cluster
	"endpoints": {"servers", "load_assignment", "targets", "nodes"},
	"balance":   {"lb_policy", "policy", "load_balancing", "algorithm", "lb", "strategy"},
	"hash": {"hash_policy", "hash_on", "maglev", "ring_hash", "ip_hash", "source", "consistent", "consistent_hash",
		"uri", "hdr"},
	"header":         {"header_name"},
	"cookie":         {"cookie_name"},
	"source_ip":      {"ip", "use_source_ip", "client_ip", "source"},
	"ttl":            {"max_age", "maxage"},
	"http_only":      {"httponly"},
	"same_site":      {"samesite"},
	"passive_health": {"outlier_detection"},
	"health_check":   {"health_checks", "healthcheck"},
	"failover":       {"fallback", "backup"},
	"slow_start":     {"slowstart", "slow_start_config"},
	"datacenter":     {"dc"}, "only_passing": {"passing", "passing_only"}, "prefer": {"near", "locality"},
	"name":                 {"id"},
	"consecutive_failures": {"consecutive_5xx", "max_fails", "fails"}, "base_ejection": {"base_ejection_time"},
	"max_ejection": {"max_ejection_time"}, "max_ejected_percent": {"max_ejection_percent"},
	// words
	"wrr":           {"round_robin", "roundrobin", "rr", "weighted_round_robin", "static-rr"},
	"least_request": {"least_conn", "leastconn", "least_connections", "p2c"}, "random": {"rnd"},
	// variables
	"remote_ip":   {"remote_addr", "client_ip", "clientip", "src", "downstream_remote_address"},
	"method":      {"request_method"},
	"request_id":  {"req_id"},
	"endpoint":    {"upstream_addr", "upstream_host"},
	"tls_version": {"ssl_protocol"}, "client_identity": {"ssl_client_s_dn", "client_dn"}, "instance": {"hostname"},
	"listener": {"frontend", "entrypoint"},
}

// meant is the known word that was probably meant: one that others call so, else the nearest; empty for none.
func meant(word string, known []string) string {
	if like := translated(word, known); like != "" {
		return like
	}
	return Nearest(word, known)
}

// translated is the known word for what others call word; empty for none.
func translated(word string, known []string) string {
	word = strings.ToLower(word)
	for _, k := range known {
		if slices.Contains(alsoCalled[k], word) {
			return k
		}
	}
	return ""
}

// foreign is what a variable looks like elsewhere: %REQ(:path)%, %DOWNSTREAM_REMOTE_ADDRESS%, %[src], {{ .ClientIP }}.
var foreign = regexp.MustCompile(`%[A-Z_]{3,}(\([^)]*\))?%|%\[[^\]]*\]|\{\{ *\.?[A-Za-z][^}]*\}\}`)

// foreignVariable is the first part of a value that others would replace; empty for none.
func foreignVariable(value string) string { return foreign.FindString(value) }
