/*
Package oxdtest is an oxd in one process with the test or program that uses it: the socket and the
HTTPS extension of oxd 3.1.1, the REST interface of oxd 4, and an OpenID Provider and UMA 2.0
authorization server behind them. A test needs three lines:

	srv := oxdtest.NewServer()
	defer srv.Close()
	client := srv.Client("https://app.example/auth/callback")

[Server.ServeApp] serves an application over TLS and [Server.Browser] visits it as a person would.

It mirrors the real server where an application can notice: the length prefix counts UTF-16 units,
what is sent behind a frame is thrown away, internal errors close the connection, state and nonce
belong to nobody in particular, resources are only ever appended. Logins in progress are lost at
[Server.Restart], sites are not. It does not bleed resources of one site into another, as the real
one does until it is restarted. The three interfaces lead to the same sites; the one of oxd 4 does
with them what that version does.

Everything can be made to go wrong: [Server.Inject] delays, drops and garbles commands,
[Server.Handle] replaces one, [Server.Stop] takes oxd away, and [Provider] has settings of its own.
[Server.Calls] returns what oxd received.

A program may use it as well, with fixed addresses and without TLS at the provider; see [Config]. It
is no identity server: passwords lie in memory, and everybody who reaches it can register a client.
*/
package oxdtest
