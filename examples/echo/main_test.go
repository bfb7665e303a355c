package main

import (
	"net/http"
	"testing"

	"github.com/labstack/echo/v5"

	"example.com/oxdauth/examples/internal/exampletest"
)

func TestService(t *testing.T) { exampletest.Service(t, service) }

// later is a middleware behind the login.
func later(a *exampletest.App) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			a.Later(c.Request())
			return next(c)
		}
	}
}

func page(a *exampletest.App) echo.HandlerFunc {
	return func(c *echo.Context) error {
		a.ServeHTTP(c.Response(), c.Request())
		return nil
	}
}

var methods = []string{http.MethodGet, http.MethodHead}

func TestMounts(t *testing.T) {
	t.Parallel()
	exampletest.Mounts(t,
		exampletest.Mount{Name: "echo Use", Whole: true, Build: func(a *exampletest.App) http.Handler {
			e := echo.New()
			e.Use(echo.WrapMiddleware(a.Wrap), later(a))
			e.Match(methods, "/app/page/:id", page(a))
			return e
		}},
		// A group of echo also sees the requests below its prefix that match no route.
		exampletest.Mount{Name: "echo group", Whole: true, Build: func(a *exampletest.App) http.Handler {
			e := echo.New()
			e.Any(a.Auth.CallbackPath(), echo.WrapHandler(a.Auth.Callback()))
			e.Any(a.Auth.LoginPath(), echo.WrapHandler(a.Auth.Login()))
			e.Any(a.Auth.LogoutPath(), echo.WrapHandler(a.Auth.Logout()))
			e.Group("/app", echo.WrapMiddleware(a.Wrap), later(a)).Match(methods, "/page/:id", page(a))
			return e
		}},
	)
}

func TestGuards(t *testing.T) {
	t.Parallel()
	exampletest.Guards(t, func(a *exampletest.Guarded) http.Handler {
		photo := func(c *echo.Context) error {
			a.Photo(c.Response(), c.Request(), c.Param("id"))
			return nil
		}
		e := echo.New()
		e.Match(methods, "/photos/:id", photo, echo.WrapMiddleware(a.View))
		e.PUT("/photos/:id", photo, echo.WrapMiddleware(a.Edit))
		e.Any("/any/:id", photo, echo.WrapMiddleware(a.Any))
		return e
	})
}
