// Command browser opens pages in a real browser (chromium, without a window) for tests, and tells what is on them. It
// is a module of its own, so that nothing of it is ever linked into the gateway.
//
// It reads commands from standard input, a JSON object a line, and answers each with one: {"value": ...}, or
// {"error": "..."}. It ends with its input.
//
//	{"open": "http://...", "width": 1200, "height": 900, "dark": true}   a new tab takes the place of the one before
//	{"wait": "EXPRESSION"}        until the expression of JavaScript is true
//	{"eval": "EXPRESSION"}        its value
//	{"press": "SELECTOR"}         the mouse over the first element, wherever that is by then
//	{"release": true}             the mouse, where it was pressed
//	{"screenshot": "FILE.png"}    of the whole page
//	{"told": true}                what the tab asked for, and what it complained of, since it was opened
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// longestWait bounds one command. The machine may be busy.
const longestWait = 60 * time.Second

type command struct {
	Open          string
	Width, Height int64
	Dark          bool

	Wait, Eval, Press, Screenshot string
	Release, Told                 bool
}

// told is what a tab asked for and complained of.
type told struct {
	mu sync.Mutex
	// +checklocks:mu
	requests []string
	// +checklocks:mu
	complaints []string
}

// poll is how often an expression that is waited for is looked at.
const poll = 20 * time.Millisecond

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "browser:", err)
		os.Exit(1)
	}
}

func run() error {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox)
	all, end := chromedp.NewExecAllocator(context.Background(), options...)
	defer end()
	browser, stop := chromedp.NewContext(all)
	defer stop()
	if err := chromedp.Do(browser); err != nil { // starts it
		return fmt.Errorf("chromium: %w", err)
	}
	s := &session{browser: browser}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var c command
		value, err := any(nil), json.Unmarshal(lines.Bytes(), &c)
		if err == nil {
			value, err = s.do(&c)
		}
		answer := map[string]any{"value": value}
		if err != nil {
			answer = map[string]any{"error": err.Error()}
		}
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

// session is the browser with one tab.
type session struct {
	browser context.Context
	tab     context.Context
	close   context.CancelFunc
	told    *told
	x, y    float64 // where the mouse was pressed last
}

func (s *session) do(c *command) (value any, err error) {
	if c.Open != "" {
		return nil, s.open(c)
	}
	if s.tab == nil {
		return nil, errors.New("nothing is open")
	}
	ctx, end := context.WithTimeout(s.tab, longestWait)
	defer end()
	switch {
	case c.Wait != "":
		return nil, wait(ctx, c.Wait)
	case c.Eval != "":
		return chromedp.Run(ctx, chromedp.Evaluate[any](c.Eval))
	case c.Press != "":
		return nil, s.press(ctx, c.Press)
	case c.Release:
		return nil, s.mouse(ctx, chromedp.MouseReleased)
	case c.Screenshot != "":
		const png = 100
		picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(png))
		if err != nil {
			return nil, err
		}
		return nil, os.WriteFile(c.Screenshot, picture, 0o644)
	case c.Told:
		s.told.mu.Lock()
		defer s.told.mu.Unlock()
		return map[string][]string{"requests": s.told.requests, "complaints": s.told.complaints}, nil
	}
	return nil, errors.New("an empty command")
}

// wait looks at an expression until it is true. The protocol may evaluate what the policy of the page forbids itself.
func wait(ctx context.Context, expression string) error {
	again := time.NewTicker(poll)
	defer again.Stop()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err != nil {
			return fmt.Errorf("wait for %s: %w", expression, err)
		}
		if ok {
			return nil
		}
		<-again.C
	}
}

// press finds the middle of an element in one step: the page may draw it anew at any moment.
func (s *session) press(ctx context.Context, selector string) error {
	at, err := chromedp.Run(ctx, chromedp.Evaluate[[]float64](fmt.Sprintf(`(() => {
		const e = document.querySelector(%q);
		if (!e) return [];
		e.scrollIntoView({ block: 'center' });
		const r = e.getBoundingClientRect();
		return [r.x + r.width / 2, r.y + r.height / 2];
	})()`, selector)))
	if err != nil {
		return err
	}
	if len(at) == 0 {
		return fmt.Errorf("press: no element %s", selector)
	}
	s.x, s.y = at[0], at[1]
	return s.mouse(ctx, chromedp.MousePressed)
}

func (s *session) mouse(ctx context.Context, event input.DispatchMouseEventType) error {
	left, once := chromedp.ButtonType(input.MouseButtonLeft), chromedp.ClickCount(1)
	return chromedp.Do(ctx, chromedp.MouseEvent(event, s.x, s.y, left, once))
}

// open opens a page in a new tab, with the window and the colours that are wanted.
func (s *session) open(c *command) error {
	if s.close != nil {
		s.close()
	}
	s.tab, s.close = chromedp.NewContext(s.browser)
	// A tab lives as long as the context of its first call, so not as long as this one.
	if err := chromedp.Do(s.tab); err != nil {
		return err
	}
	s.told = &told{}
	s.told.follow(s.tab)
	scheme := "light"
	if c.Dark {
		scheme = "dark"
	}
	ctx, end := context.WithTimeout(s.tab, longestWait)
	defer end()
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err != nil {
		return err
	}
	return chromedp.Do(ctx, chromedp.EmulateViewport(c.Width, c.Height), chromedp.Navigate(c.Open))
}

// follow notes requests, and what the console and the log of the tab say, until the tab is closed.
func (t *told) follow(tab context.Context) {
	requests, console := chromedp.Events(tab, network.RequestWillBeSent), chromedp.Console(tab)
	go func() {
		for e, err := range requests {
			if err != nil {
				return
			}
			t.mu.Lock()
			t.requests = append(t.requests, e.Request.Method+" "+e.Request.URL)
			t.mu.Unlock()
		}
	}()
	go func() {
		for m, err := range console {
			if err != nil {
				return
			}
			t.mu.Lock()
			t.complaints = append(t.complaints, m.Text)
			t.mu.Unlock()
		}
	}()
}
