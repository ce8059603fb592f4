"""The pages that a user's browser sees."""
from html import escape

PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
<h1>{title}</h1>
{content}
</body>
</html>
"""

FORM = """<p>The application <b>{consumer}</b> asks to use your account.</p>
<form method="post" action="{action}">
<input type="hidden" name="oauth_token" value="{token}">
<label>User name <input type="text" name="user" value=""></label>
<button type="submit" name="decision" value="allow">Allow</button>
<button type="submit" name="decision" value="deny">Deny</button>
</form>"""


def page(title, content):
    return PAGE.format(title=escape(title), content=content).encode()


def ask(action, consumer, token):
    return page("Allow access?", FORM.format(
        action=escape(action), consumer=escape(consumer), token=escape(token)))


def pin(verifier):
    return page("Access allowed", '<p>Type this code into the application:</p>\n'
                '<p><code id="pin">%s</code></p>' % escape(verifier))


def message(title, text):
    return page(title, "<p>%s</p>" % escape(text))
