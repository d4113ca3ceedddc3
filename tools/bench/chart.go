package main

import (
	"fmt"
	"html"
	"strings"
)

// The chart's measures, in pixels.
const (
	chartWidth = 860
	labels     = 330 // where bars begin
	one        = 150 // the length of a bar that is as long as the better peer's
	longest    = 470 // a longer bar is cut
	thick      = 10
	between    = 12
	top        = 64
)

// chart draws a bar for each figure of the gateway, nginx and HAProxy, as SVG. Within a row the better of the two peers
// has the length 1, so that rows of different units stand side by side.
func (r *results) chart() string {
	fills := map[string]string{"gateway": "#1f77b4", "before": "#9ecae1", "nginx": "#8a8a8a", "haproxy": "#c9c9c9"}
	var b strings.Builder
	y := top
	for i := range r.Rows {
		w := &r.Rows[i]
		var bars strings.Builder
		at := y
		for _, p := range r.Peers {
			ratio, ok := w.ratio(p)
			if !ok {
				continue
			}
			length, cut := ratio*one, ""
			if length > longest {
				length, cut = longest, " »"
			}
			length = max(length, 1)
			fmt.Fprintf(&bars, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n",
				labels, at, length, thick, fills[p])
			fmt.Fprintf(&bars, `<text x="%.1f" y="%d" class="small">%s%s</text>`+"\n",
				labels+length+4, at+thick-1, number(w.Figures[p].Median), cut)
			at += thick + 1
		}
		if at == y {
			continue
		}
		middle := (y + at) / 2
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n",
			labels-8, middle-2, html.EscapeString(w.Title))
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" class="small">%s</text>`+"\n",
			labels-8, middle+10, html.EscapeString(w.Unit))
		b.WriteString(bars.String())
		y = at + between
	}
	var head strings.Builder
	fmt.Fprintf(&head, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" `,
		chartWidth, y+54)
	head.WriteString(`role="img">` +
		"\n<title>What the gateway costs beside nginx and HAProxy; shorter is better</title>\n" +
		"<style>text { font: 12px sans-serif; fill: #222 } .small { font-size: 10px; fill: #555 }</style>\n" +
		`<rect width="100%" height="100%" fill="#fff"/>` + "\n")
	head.WriteString(`<text x="12" y="22">CPU and memory: shorter is better. 1 is the better of nginx and ` +
		`HAProxy.</text>` + "\n")
	x := 12
	for _, p := range r.Peers {
		fmt.Fprintf(&head, `<rect x="%d" y="34" width="12" height="12" fill="%s"/><text x="%d" y="44">%s</text>`+"\n",
			x, fills[p], x+17, label(p))
		x += 90
	}
	fmt.Fprintf(&head, `<line x1="%d" y1="%d" x2="%[1]d" y2="%[3]d" stroke="#d62728" stroke-dasharray="4 3"/>`+"\n",
		labels+one, top-8, y)
	fmt.Fprintf(&head, `<text x="%d" y="%d" text-anchor="middle" class="small">1</text>`+"\n", labels+one, top-12)
	for _, line := range r.conditions() {
		fmt.Fprintf(&b, `<text x="12" y="%d" class="small">%s</text>`+"\n", y+14, html.EscapeString(line))
		y += 14
	}
	b.WriteString("</svg>\n")
	return head.String() + b.String()
}
