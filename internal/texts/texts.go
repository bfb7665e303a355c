// Package texts has what pages say, in English and in the languages that an application adds.
package texts

// The texts.

import "net/http"

// The texts of the built-in pages.
const (
	TitleEnded       = "Your session has ended"
	TextEnded        = "What you sent was not processed. Sign in and send it again."
	TitleStray       = "This login cannot be continued"
	TextStray        = "It was started in another browser, has been used already, or cookies are switched off."
	TitleCancelled   = "The login was cancelled"
	TextCancelled    = "You, or the provider, chose not to go on."
	TitleProvider    = "The provider could not sign you in"
	TextAgain        = "Please try again; if it happens again, tell the people who run this application."
	TitleACR         = "A stronger login is needed"
	TextACR          = "The provider did not confirm the kind of login this page requires."
	TextForbidden    = "This page is not open to you."
	TextBadPath      = "The address of this page can be read in more than one way."
	TextCrossOrigin  = "The request came from another site."
	TitleUnavailable = "Signing in is not possible right now"
	TextUnavailable  = "The login service does not answer. Please try again in a moment."
	TitleSignOut     = "Sign out?"
	TextSignOut      = "You are about to sign out."
	TitleSignedOut   = "Signed out"
	TextSignedOut    = "You are signed out of this application."
	TitleForm        = "Send your form?"
	TextForm         = "Your session had ended when you sent it. You are signed in again, and nothing you entered is lost."
	TitleDenied      = "You do not have access"
	TextDenied       = "Access to this page was not granted."
	TextMalformed    = "The request was not understood."
	TitleUnchecked   = "Access cannot be checked right now"
	TitleStore       = "Your session cannot be checked right now"
	TextUnchecked    = "Please try again in a moment."
	TitleWaiting     = "Waiting for approval"
	TextWaiting      = "Whoever decides about this page has been asked. Please try again later."
	TitleGathering   = "This cannot be continued"
	TextGathering    = "It was started in another browser or by another user, has been used already, or took too long."

	ButtonSignIn  = "Sign in again"
	ButtonStart   = "Go to the start page"
	ButtonRetry   = "Try again"
	ButtonSignOut = "Sign out"
	ButtonSend    = "Send it now"
	ButtonSkip    = "Go on without sending"
	LabelRequest  = "Request"
)

// All returns every text of the built-in pages. Translations have these as keys.
func All() []string {
	list := []string{
		TitleEnded, TextEnded, TitleStray, TextStray, TitleCancelled, TextCancelled, TitleProvider,
		TextAgain, TitleACR, TextACR, TextForbidden, TextBadPath, TextCrossOrigin,
		TitleUnavailable, TextUnavailable, TitleSignOut, TextSignOut, TitleSignedOut,
		TextSignedOut, TitleForm, TextForm, TitleDenied, TextDenied, TextMalformed, TitleUnchecked,
		TextUnchecked, TitleStore, TitleWaiting, TextWaiting, TitleGathering, TextGathering,
		ButtonSignIn, ButtonStart, ButtonRetry, ButtonSignOut, ButtonSend, ButtonSkip,
		LabelRequest,
	}
	for _, status := range []int{400, 403, 405, 429, 500, 502, 503} {
		list = append(list, http.StatusText(status))
	}
	return list
}
