package oxdauth_test

// The pages: other languages, other templates, and error handlers that leave some of the work to the default.

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
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
	client, err := oxd.NewClient(&oxd.TCPTransport{Addr: "127.0.0.1:1"}, oxd.Site{OxdID: "x"})
	require.NoError(t, err)
	texts := pseudo("ä")
	delete(texts, "Signed out")
	texts["Signed of"] = "x"
	_, err = oxdauth.New(client, "https://app.example/auth/callback", oxdauth.WithTranslations(map[string]map[string]string{"de": texts, "d e": pseudo("x")}))
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

	client, err := oxd.NewClient(&oxd.TCPTransport{Addr: "127.0.0.1:1"}, oxd.Site{OxdID: "x"})
	require.NoError(t, err)
	for _, opt := range []oxdauth.Option{
		oxdauth.WithPageTemplate(nil, policy), oxdauth.WithPageTemplate(own, ""), oxdauth.WithPageTemplate(own, "a\r\nb"),
		oxdauth.WithPageTemplate(template.Must(template.New("").Parse("{{.Titel}}")), policy),
		oxdauth.WithPageTemplate(template.Must(template.New("").Parse("{{range .Fields}}{{.Nmae}}{{end}}")), policy),
	} {
		_, err := oxdauth.New(client, "https://app.example/auth/callback", opt)
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
