// The iframes of a page.

package browser

import (
	"context"
	"fmt"
	"net/http"
)

// maxFrames bounds what is loaded for one page.
const maxFrames = 20

// LoadFrames loads the iframes of the page, as a browser does by itself, and
// returns their answers; it follows no redirects. A frame of another site gets
// no cookies and keeps none: they are SameSite=Lax unless a site says otherwise.
// The page can be used again. The caller closes the bodies.
func (b Browser) LoadFrames(page *http.Response) (frames []*http.Response, err error) {
	defer func() {
		if err != nil {
			for _, frame := range frames {
				_ = frame.Body.Close()
			}
			frames = nil
		}
	}()
	text, err := pageText(page)
	if err != nil {
		return nil, err
	}
	for rest := text; len(frames) < maxFrames; {
		tag, after, ok := nextTag(rest)
		if !ok {
			break
		}
		rest = after
		if tag.name != "iframe" || tag.attr("src") == "" {
			continue
		}
		target, err := page.Request.URL.Parse(tag.attr("src"))
		if err != nil {
			return frames, fmt.Errorf("oxdtest: a frame of %s: %w", page.Request.URL.Redacted(), err)
		}
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, target.String(), nil)
		if err != nil {
			return frames, fmt.Errorf("oxdtest: a frame of %s: %w", page.Request.URL.Redacted(), err)
		}
		site := secFetchSite(page.Request.URL, []redirect{{req.Method, req.URL}})
		req.Header.Set("Accept", "text/html")
		req.Header.Set("Sec-Fetch-Mode", "navigate")
		req.Header.Set("Sec-Fetch-Dest", "iframe")
		req.Header.Set("Sec-Fetch-Site", site)
		client := *b.Client
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		if site == "cross-site" {
			client.Jar = nil
		}
		frame, err := client.Do(req)
		if err != nil {
			return frames, err
		}
		frames = append(frames, frame)
	}
	return frames, nil
}
