package oxdauth_test

// The pages that people see, and the forms that are kept for them.

import (
	"errors"
	"fmt"
	"html/template"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

// pseudo is a language in which every text can be told from the English one.
func pseudo(mark string) map[string]string {
	texts := map[string]string{}
	for _, text := range oxdauth.PageTexts() {
		texts[text] = mark + strings.ToUpper(text) + mark
	}
	return texts
}

func TestPagesSpeakTheLanguageOfTheBrowser(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{options: []oxdauth.Option{oxdauth.WithTranslations(map[string]map[string]string{"de": pseudo("ä"), "pt-BR": pseudo("ã")})}})
	for header, want := range map[string]string{
		"":                            `<html lang="en"`,
		"fr":                          `<html lang="en"`,
		"de":                          `<html lang="de"`,
		"DE-at":                       `<html lang="de"`,
		"pt-br":                       `<html lang="pt-BR"`,
		"pt":                          `<html lang="en"`,
		"fr;q=0.9, de;q=0.5, en;q=.1": `<html lang="de"`,
		"en-GB, de":                   `<html lang="en"`,
		"de;q=0, pt-BR;q=0.1":         `<html lang="pt-BR"`,
		"de;q=nonsense, *, -, ;":      `<html lang="en"`,
		strings.Repeat("xx,", 5000):   `<html lang="en"`,
	} {
		_, body := a.once(nil, a.navigation("/auth/logout", "Accept-Language", header))
		assert.Contains(t, body, want, header)
		if strings.Contains(want, "de") {
			assert.Contains(t, body, "äSIGN OUT?ä")
			assert.NotContains(t, body, "You are about to")
		}
	}
	res, _ := a.once(nil, a.navigation("/", "Accept-Language", "de-CH, en;q=0.5"))
	u, err := url.Parse(res.Header.Get("Location"))
	require.NoError(t, err)
	assert.Equal(t, []string{"de"}, u.Query()["ui_locales"], "the provider is told")

	plain := newApp(t, setup{})
	res, _ = plain.once(nil, plain.navigation("/", "Accept-Language", "de"))
	assert.NotContains(t, res.Header.Get("Location"), "ui_locales")
}

func TestEveryErrorPageIsTranslated(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{options: []oxdauth.Option{oxdauth.WithTranslations(map[string]map[string]string{"de": pseudo("ä")})}, mount: func(m *oxdauth.Middleware, _ *app) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			m.WriteError(w, r, map[string]error{
				"/1": oxdauth.ErrNoSession, "/2": oxdauth.ErrState, "/3": oxdauth.ErrACR, "/4": oxdauth.ErrCrossOrigin, "/5": oxd.ErrUnavailable,
				"/6": &oxdauth.ProviderError{Code: "access_denied"}, "/7": &oxdauth.ProviderError{Code: "server_error"}, "/8": errors.New("x"),
				"/9": oxdauth.ErrIDToken,
			}[r.URL.Path])
		})
	}})
	for path := '1'; path <= '9'; path++ {
		_, body := a.once(nil, a.navigation("/"+string(path), "Accept-Language", "de"))
		_, main, _ := strings.Cut(body, "<main>")
		for text := range strings.SplitSeq(main, ">") {
			text, _, _ = strings.Cut(text, "<")
			for _, english := range oxdauth.PageTexts() {
				assert.NotContains(t, text, english, "/%c", path)
			}
		}
		assert.Contains(t, main, "ä", "/%c", path)
	}
}

func TestAnIncompleteTranslationIsRefused(t *testing.T) {
	t.Parallel()
	client, err := oxd.NewClient(&oxd.TCPTransport{Addr: "127.0.0.1:1"}, siteOf("x", "https://app.example/auth/callback"))
	require.NoError(t, err)
	texts := pseudo("ä")
	delete(texts, "Signed out")
	texts["Signed of"] = "x"
	_, err = oxdauth.New(client, oxdauth.WithTranslations(map[string]map[string]string{"de": texts, "d e": pseudo("x")}))
	require.ErrorContains(t, err, `no translation of "Signed out"`)
	require.ErrorContains(t, err, `no page says "Signed of"`)
	require.ErrorContains(t, err, `"d e" is not a language tag`)
}

func TestPagesCanBeReplaced(t *testing.T) {
	t.Parallel()
	const policy = "default-src 'none'; style-src 'self'"
	own := template.Must(template.New("own").Parse(`<title>Acme: {{.Title}}</title>{{.Status}} {{.Text}} {{.RequestID}}{{if .Post}}<form method="post" action="{{.Post}}"><button>{{.Button}}</button></form>{{end}}`))
	a := newApp(t, setup{options: []oxdauth.Option{oxdauth.WithPageTemplate(own, policy)}})
	res, body := a.once(nil, a.navigation("/auth/callback?state=unknown"))
	assert.Contains(t, body, "<title>Acme: This login cannot be continued</title>400")
	assert.Equal(t, policy, res.Header.Get("Content-Security-Policy"))
	b := a.signedIn(user, password)
	page, err := b.Get(a.base + "/auth/logout")
	require.NoError(t, err)
	res, err = b.Submit(page, nil)
	require.NoError(t, err)
	readBody(t, res)
	res, _ = a.once(b, a.navigation("/"))
	assert.Equal(t, http.StatusFound, res.StatusCode, "its form signs out")

	client, err := oxd.NewClient(&oxd.TCPTransport{Addr: "127.0.0.1:1"}, siteOf("x", "https://app.example/auth/callback"))
	require.NoError(t, err)
	for _, opt := range []oxdauth.Option{
		oxdauth.WithPageTemplate(nil, policy), oxdauth.WithPageTemplate(own, ""), oxdauth.WithPageTemplate(own, "a\r\nb"),
		oxdauth.WithPageTemplate(template.Must(template.New("").Parse("{{.Titel}}")), policy),
		oxdauth.WithPageTemplate(template.Must(template.New("").Parse("{{range .Fields}}{{.Nmae}}{{end}}")), policy),
	} {
		_, err := oxdauth.New(client, opt)
		assert.ErrorContains(t, err, "WithPageTemplate")
	}
}

func TestAnErrorHandlerCanLeaveTheRestToTheDefault(t *testing.T) {
	t.Parallel()
	var m *oxdauth.Middleware
	a := newApp(t, setup{options: []oxdauth.Option{oxdauth.WithErrorHandler(func(w http.ResponseWriter, r *http.Request, err error) {
		if errors.Is(err, oxdauth.ErrState) {
			http.Error(w, "own", http.StatusTeapot)
			return
		}
		m.WriteError(w, r, err)
	})}})
	m = a.auth
	res, _ := a.once(nil, a.navigation("/auth/callback?state=unknown"))
	assert.Equal(t, http.StatusTeapot, res.StatusCode)
	res, body := a.once(nil, a.request("GET", "/", "Accept", "application/json"))
	assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
	assert.Contains(t, body, `"login_required"`)
}

// newFormApp echoes the forms it gets.
func newFormApp(t *testing.T, opts ...oxdauth.Option) *app {
	return newApp(t, setup{options: opts, handler: func(a *app) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a.runs.Add(1)
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			if err := r.ParseForm(); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.RequestURI(), r.PostForm.Encode())
		})
	}})
}

var awkward = url.Values{
	"note": {"first\r\nsecond", "again"}, "name": {"Zoë 李 😀"}, "markup": {`</textarea></form><script>alert(1)</script><img src=x onerror="alert(2)">`},
	"empty": {""}, `"quoted" 'name'`: {"&amp; + %41"},
}

func TestAFormSentAfterTheSessionEndedIsShownAfterTheLogin(t *testing.T) {
	t.Parallel()
	a := newFormApp(t, oxdauth.WithFormPreservation())
	b := a.srv.Browser()
	page, err := b.PostForm(a.base+"/notes?list=1&x=%26", awkward)
	require.NoError(t, err)
	page, err = b.Submit(page, url.Values{"username": {user}, "password": {password}})
	require.NoError(t, err)
	body := readBody(t, page)
	require.Contains(t, body, "Send your form?")
	assert.Zero(t, a.runs.Load(), "nothing is sent without a click")
	assert.NotContains(t, body, "<script", "V-101: values are escaped")
	assert.NotContains(t, body, "<img")
	callback := page.Request.URL.String()

	page.Body = readerOf(body)
	res, err := b.Submit(page, nil)
	require.NoError(t, err)
	assert.Equal(t, "POST /notes?list=1&x=%26 "+awkward.Encode(), readBody(t, res))
	assert.EqualValues(t, 1, a.runs.Load())
	assert.False(t, a.hasCookie(b, "__Host-oxdauth-form"))

	res, err = b.Get(callback)
	require.NoError(t, err)
	assert.Equal(t, "GET /notes?list=1&x=%26 ", readBody(t, res), "a second use is the page, not the form")
}

func TestAFormIsKeptThroughALoginThatStartsAgain(t *testing.T) {
	t.Parallel()
	a := newFormApp(t, oxdauth.WithFormPreservation())
	b := a.srv.Browser()
	page, err := b.PostForm(a.base+"/notes", awkward)
	require.NoError(t, err)
	a.srv.Restart() // oxd forgets the state
	page, err = b.Submit(page, url.Values{"username": {user}, "password": {password}})
	require.NoError(t, err)
	res, err := b.Submit(page, nil)
	require.NoError(t, err)
	assert.Equal(t, "POST /notes "+awkward.Encode(), readBody(t, res))
}

func TestAFormIsBoundToItsLogin(t *testing.T) {
	t.Parallel()
	a := newFormApp(t, oxdauth.WithFormPreservation())
	b := a.srv.Browser()
	page, err := b.PostForm(a.base+"/notes", awkward)
	require.NoError(t, err)
	readBody(t, page)
	require.True(t, a.hasCookie(b, "__Host-oxdauth-form"))
	assert.Equal(t, "GET /other ", a.login(b, a.base+"/other", user, password), "another tab's login does not get it")
	other := a.srv.Browser()
	callback := a.callback(other, a.base+"/mine")
	for _, c := range a.cookies(b) {
		if c.Name == "__Host-oxdauth-form" {
			req := a.navigation(callback.RequestURI(), "Cookie", c.Name+"="+c.Value)
			for _, own := range a.cookies(other) {
				req.AddCookie(own)
			}
			res, _ := a.once(nil, req)
			assert.Equal(t, "/mine", res.Header.Get("Location"), "neither does another browser's")
		}
	}
}

func TestOnlyFormsOfThisOriginThatCanBeKeptBeginALogin(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded"
	random := make([]byte, 4000)
	for i := range random {
		random[i] = byte('a' + rand.IntN(26))
	}
	on, off := newFormApp(t, oxdauth.WithFormPreservation()), newFormApp(t)
	for name, tc := range map[string]struct {
		app    *app
		method string
		target string
		body   string
		header []string
	}{
		"without the option":              {off, "POST", "/notes", "a=b", nil},
		"from another site":               {on, "POST", "/notes", "a=b", []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}},
		"from a page of no origin":        {on, "POST", "/notes", "a=b", []string{"Origin", "null"}},
		"without Origin":                  {on, "POST", "/notes", "a=b", []string{"Origin", ""}},
		"by a script":                     {on, "POST", "/notes", "a=b", []string{"X-Requested-With", "XMLHttpRequest"}},
		"by fetch":                        {on, "POST", "/notes", "a=b", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}},
		"V-103 without a body":            {on, "POST", "/notes", "", nil},
		"V-103 without a type":            {on, "POST", "/notes", "a=b", []string{"Content-Type", ""}},
		"V-103 of a broken type":          {on, "POST", "/notes", "a=b", []string{"Content-Type", form + "; charset"}},
		"in another charset":              {on, "POST", "/notes", "a=b", []string{"Content-Type", form + "; charset=latin1"}},
		"with files":                      {on, "POST", "/notes", "a=b", []string{"Content-Type", "multipart/form-data; boundary=x"}},
		"of JSON":                         {on, "POST", "/notes", `{"a":1}`, []string{"Content-Type", "application/json"}},
		"that is malformed":               {on, "POST", "/notes", "a=%zz", nil},
		"of too many fields":              {on, "POST", "/notes", strings.Repeat("a=&", 501), nil},
		"that does not fit in one cookie": {on, "POST", "/notes", "a=" + string(random), nil},
		"of 64 KB that compress":          {on, "POST", "/notes", "a=" + strings.Repeat("b", 64<<10), nil},
		"to a target that is too long":    {on, "POST", "/" + strings.Repeat("x", 2000), "a=b", nil},
		"with PUT":                        {on, "PUT", "/notes", "a=b", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := map[string]string{"Accept": "text/html", "Content-Type": form, "Origin": tc.app.base}
			for i := 0; i+1 < len(tc.header); i += 2 {
				header[tc.header[i]] = tc.header[i+1]
			}
			req := tc.app.request(tc.method, tc.target)
			req.Body = readerOf(tc.body)
			for name, value := range header {
				if value != "" {
					req.Header.Set(name, value)
				}
			}
			res, body := tc.app.once(nil, req)
			assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
			assert.Empty(t, res.Cookies())
			assert.NotContains(t, body, "notes ", "V-102: nothing of the handler")
			assert.Zero(t, tc.app.runs.Load())
		})
	}
	t.Run("and one that can", func(t *testing.T) {
		t.Parallel()
		req := on.request("POST", "/notes", "Accept", "text/html", "Content-Type", form, "Origin", on.base)
		req.Body = readerOf("a=b")
		first, _ := on.once(nil, req)
		assert.Equal(t, http.StatusSeeOther, first.StatusCode, "after which no browser sends the form on")
		res, err := on.srv.Browser().PostForm(on.base+"/notes", url.Values{"text": {strings.Repeat("words that compress ", 500)}})
		require.NoError(t, err)
		assert.Equal(t, on.srv.Provider.URL, res.Request.URL.Scheme+"://"+res.Request.URL.Host)
		assert.Equal(t, http.MethodGet, res.Request.Method, "the form does not go to the provider")
		readBody(t, res)
	})
}

func TestAFormForAStrongerLoginIsKept(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{options: []oxdauth.Option{oxdauth.WithFormPreservation()}, server: oxdtest.Config{}, mount: func(m *oxdauth.Middleware, a *app) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", a.whoami())
		mux.Handle("POST /transfer", m.RequireACR("otp")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "sent ", r.FormValue("amount"))
		})))
		return m.Handler(mux)
	}})
	b := a.signedIn(user, password)
	page, err := b.PostForm(a.base+"/transfer", url.Values{"amount": {"100"}})
	require.NoError(t, err)
	page, err = b.Submit(page, url.Values{"otp": {"000000"}})
	require.NoError(t, err)
	res, err := b.Submit(page, nil)
	require.NoError(t, err)
	assert.Equal(t, "sent 100", readBody(t, res))
}
