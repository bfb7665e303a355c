/*
Package oxdauth puts a login in front of an existing [net/http] handler. People sign in at the
OpenID Connect provider that a Gluu oxd server knows; the application sees who they are.

Three things are mounted, all from one [Middleware]:

  - [Middleware.Handler] around the application: no session, no handler. Around a whole application
    it also answers the callback, login and logout paths.
  - [Middleware.RequireACR] around what needs a stronger login, [Middleware.RequireMaxAge] around
    what needs a recent one.
  - [Middleware.Optional] around what is open to everybody but knows who is signed in.

A whole program:

	func main() {
		client, err := oxd.NewClient(&oxd.TCPTransport{Addr: "127.0.0.1:8099"}, oxd.Site{
			Params: oxd.RegisterSiteParams{
				OPHost:                   "https://idp.example.org",
				AuthorizationRedirectURI: "https://admin.example.org/auth/callback",
			},
			File: "/var/lib/admin/oxd-site.json",
		})
		if err != nil {
			log.Fatal(err)
		}
		auth, err := oxdauth.New(client, oxdauth.WithKeys(key))
		if err != nil {
			log.Fatal(err)
		}
		hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			session, _ := oxdauth.SessionFromContext(r.Context())
			fmt.Fprintln(w, "Hello,", session.Claims.Get("name"))
		})
		log.Fatal(http.ListenAndServe("127.0.0.1:8080", auth.Handler(hello)))
	}

# Addresses

The application says once where it is: in AuthorizationRedirectURI of the site, as the browser sees
it. Scheme, host, paths and the security of cookies follow from it, and nothing from a request.
[WithPathPrefix] declares a prefix that is taken away before requests arrive, [WithEndpoints] other
paths than those beside the callback. Further addresses that the provider needs are registered with
the site.

# Sessions

A session lives in two sealed cookies, so by default nothing is stored on the server and any replica
with the same keys can read it. The identity cookie is read on every request; the tokens cookie is
opened only for a refresh or when the application asks for a token. Both are encrypted and
authenticated with keys derived for their purpose and this application, carry the same session id
and generation, and are split into chunks when they are long. [WithSessionLifetime] sets the idle
and the absolute limit.

Access tokens are refreshed ahead of expiry, once per session however many requests arrive together.
Requests that still carry the cookies from before get the same successor for a minute.

[WithStore] moves the tokens into a store that all replicas share, so that they refresh once among
them and a session that ends on one has ended on all.

# Handlers that know nothing of this package

[Rules] says for path trees what each needs, and refuses the rest: for a reverse proxy, a file
server, somebody else's router. [IdentityHeaders] tells such a handler by request headers who is
signed in, and takes away what clients forge.

# Logout

A logout ends the session here first and then at the provider. A logout that begins at the provider
comes in as [Middleware.FrontChannelLogout], which needs [WithFrontChannelLogout], or as
[Middleware.BackChannelLogout], which needs [WithBackChannelLogout]. [Middleware.RevokeSubject] ends
what one user has, [WithNotBefore] everything from before.

# Errors

A request that is refused has an id, which is the same in the log, in the [Event], on the page and
in JSON. An [ErrorHandler] writes the answer in place of this package, for the login and for the
pages of a [Guard]. It gets a [RequestError] with the id, the page that was asked for, and the
cause; [StatusCode] returns the status, [Middleware.WriteError] leaves the answer to this package.

Misuse is reported in one of three ways:

  - [New], [NewGuard], [NewRules] and [NewIdentityHeaders] return all problems with their arguments
    at once, as an error.
  - What is wired wrongly in code panics when the program starts: [Middleware.RequireACR],
    [Middleware.RequireMaxAge], [Middleware.RequireClaim] and [Public] with values that cannot be
    right, [Middleware.FrontChannelLogout] and [Middleware.BackChannelLogout] without their option,
    [Guard.Handle] where [http.ServeMux.Handle] does.
  - Problems with a [Resource] come out of [Guard.Protect], all at once. The route answers 503 until
    Protect has succeeded.

# Tests and deployments

[ContextWithSession] and [Session.ForTest] are for tests of handlers, [Guard.Uncovered] for a test
that finds routes without a guard, [Rules.Report] for one that compares the rules, [PageTexts] for
one that finds missing translations. [Guard.VerifyIssuer] is a check at deployment.
[Middleware.Ready] and [Guard.Ready] are for probes and do not ask oxd. Package oxdtest has an oxd
and a provider for tests of whole logins.

# What it does not do

There is no PKCE: oxd's commands carry no code_verifier in any version; the nonce, bound to the
browser, is the defence against injected codes. Without [WithStore] the list of ended sessions is
kept in the process, so a restart forgets it; see [WithNotBefore]. oxd 3.1.1 reports a refused
refresh token exactly like an outage, so a session may outlive its tokens until its own limits. It
does not protect the application's forms against cross-site requests: use
[http.CrossOriginProtection].
*/
package oxdauth
