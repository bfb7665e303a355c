package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"

	"example.com/oxdauth/examples/internal/exampletest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	os.Exit(m.Run())
}

func TestService(t *testing.T) { exampletest.Service(t, service) }

// TestARefusedRequestEndsTheChain has the adapter alone.
func TestARefusedRequestEndsTheChain(t *testing.T) {
	t.Parallel()
	refuse := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	}
	r := gin.New()
	r.Use(wrap(refuse), func(*gin.Context) { t.Error("the later middleware ran") })
	r.GET("/", func(*gin.Context) { t.Error("the handler ran") })
	for _, path := range []string{"/", "/unknown"} {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		assert.Equal(t, http.StatusForbidden, w.Code)
		assert.Equal(t, "no\n", w.Body.String())
	}
}

// later is a middleware behind the login.
func later(a *exampletest.App) gin.HandlerFunc {
	return func(c *gin.Context) { a.Later(c.Request) }
}

func routes(r gin.IRoutes, path string, a *exampletest.App) {
	r.Match([]string{http.MethodGet, http.MethodHead}, path, func(c *gin.Context) { a.ServeHTTP(c.Writer, c.Request) })
}

func TestMounts(t *testing.T) {
	t.Parallel()
	exampletest.Mounts(t,
		exampletest.Mount{Name: "gin Use", Whole: true, Build: func(a *exampletest.App) http.Handler {
			r := gin.New()
			r.Use(wrap(a.Wrap), later(a))
			routes(r, "/app/page/:id", a)
			return r
		}},
		exampletest.Mount{Name: "gin route group", Build: func(a *exampletest.App) http.Handler {
			r := gin.New()
			// WrapH is right for these, which have nothing behind them.
			r.Any(a.Auth.CallbackPath(), gin.WrapH(a.Auth.Callback()))
			r.Any(a.Auth.LoginPath(), gin.WrapH(a.Auth.Login()))
			r.Any(a.Auth.LogoutPath(), gin.WrapH(a.Auth.Logout()))
			routes(r.Group("/app", wrap(a.Wrap), later(a)), "/page/:id", a)
			return r
		}},
	)
}

func TestGuards(t *testing.T) {
	t.Parallel()
	exampletest.Guards(t, func(a *exampletest.Guarded) http.Handler {
		photo := func(c *gin.Context) { a.Photo(c.Writer, c.Request, c.Param("id")) }
		r := gin.New()
		r.GET("/photos/:id", wrap(a.View), photo)
		r.HEAD("/photos/:id", wrap(a.View), photo)
		r.PUT("/photos/:id", wrap(a.Edit), photo)
		r.Any("/any/:id", wrap(a.Any), photo)
		return r
	})
}
