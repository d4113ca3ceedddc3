package cluster

// StandIn makes clusters of a revision stand in for others of it, while those have no usable endpoint. For each such
// cluster failovers has the names of the others, in order of preference. It is for the applying goroutine, before
// requests use them.
func StandIn(clusters map[string]*Cluster, failovers map[string][]string) {
	for name, others := range failovers {
		list := make([]*Cluster, len(others))
		for i, other := range others {
			list[i] = clusters[other]
		}
		clusters[name].failover.Store(&list)
	}
}

// StandIns are the clusters that stand in for c, in order of preference. Not to be edited.
func (c *Cluster) StandIns() []*Cluster {
	if f := c.failover.Load(); f != nil {
		return *f
	}
	return nil
}

// Serving tells which cluster a request for c goes to now: 0 is c itself, i is StandIns()[i-1]. It is the first that
// has an endpoint open to requests; where none has, the first with endpoints to use in panic mode; else c.
func (c *Cluster) Serving() int {
	if c.hasOpen() {
		return 0
	}
	others := c.StandIns()
	for i, o := range others {
		if o.hasOpen() {
			return i + 1
		}
	}
	if c.usableAlone() {
		return 0
	}
	for i, o := range others {
		if o.usableAlone() {
			return i + 1
		}
	}
	return 0
}

// hasOpen tells whether an endpoint that is healthy takes a request now. One that has been ejected takes a probe.
func (c *Cluster) hasOpen() bool {
	v := c.view.Load()
	if v.unhealthy {
		return false
	}
	for i := range v.members {
		if v.members[i].health.open() {
			return true
		}
	}
	return false
}

// usableAlone tells whether there is an endpoint to pick from, in panic mode too.
func (c *Cluster) usableAlone() bool { return len(c.view.Load().members) > 0 }

// standIn is who stands in for the cluster of the newest revision, nil for nobody. A probe of an ejected endpoint does
// not count: the others serve until one has succeeded.
func (g *group) standIn() *Cluster {
	c := g.active.Load()
	others := c.StandIns()
	if len(others) == 0 || c.healthy() {
		return nil
	}
	if n := c.Serving(); n > 0 {
		return others[n-1]
	}
	for _, o := range others { // c takes a probe just now
		if o.healthy() {
			return o
		}
	}
	return nil
}

// healthy tells whether an endpoint is healthy and not ejected.
func (c *Cluster) healthy() bool {
	v := c.view.Load()
	if v.unhealthy {
		return false
	}
	for i := range v.members {
		if v.members[i].health.gate.Load() == gateOpen {
			return true
		}
	}
	return false
}

// noteFailover says once that another cluster begins or ceases to stand in.
func (g *group) noteFailover() {
	was, is := g.standsIn.Load(), g.standIn()
	if was == nil && is == nil || was != nil && is != nil && *was == is.Name() {
		return
	}
	var name *string
	if is != nil {
		name = &is.group.name
	}
	switch {
	case !g.standsIn.CompareAndSwap(was, name): // another goroutine has
	case is != nil:
		g.log.Warn("failover: the cluster has no usable endpoint, another one stands in",
			"cluster", g.name, "failover", *name)
	default:
		g.log.Info("failover is over: the cluster has usable endpoints again", "cluster", g.name, "failover", *was)
	}
}

// failsOver tells whether another cluster stands in, for telemetry.
func (g *group) failsOver() bool { return g.standIn() != nil }
