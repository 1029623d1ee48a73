#!/usr/bin/env bash
# Sentences in, flows out. `make demo` installs what this needs; with nl2dsl on the PATH it runs by itself.
set -euo pipefail
cd "$(dirname "$0")/.."
nl2dsl=${BIN:+$BIN/}nl2dsl
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

ask() {
  printf '\n> %s\n\n' "$1"
  "$nl2dsl" generate "$1" 2>&1 | sed 's/^/  /'
}

ask "Send me an email with the weather forecast every day"
ask "Every weekday at 7 in the morning mail me today's weather for Oslo"
ask "When somebody answers the Travel form, add the answer to the Trips list in SharePoint and tell the Office channel in Teams"
ask "If an email from billing@fabrikam.com with an attachment comes in, save the attachment to OneDrive in /Invoices"
ask "Once a week go through the items of the Orders list and send a reminder to the owner of each one whose status is Late"
ask "When a new file lands in the Contracts folder, start an approval with legal@contoso.com and, if it is approved, move the file to Signed"
ask "When I press the button, create a task called Water the plants in Planner"

printf '\nThe second of them as the JSON that Power Automate runs:\n\n'
"$nl2dsl" generate "Every weekday at 7 in the morning mail me today's weather for Oslo" >"$scratch/weather.flow" 2>"$scratch/notes"
"$nl2dsl" compile "$scratch/weather.flow" -o "$scratch/weather.json" 2>"$scratch/notes"
head -n 20 "$scratch/weather.json" | sed 's/^/  /'
printf '  ...\n\nNow a sentence of your own: %s generate "..."; %s --help shows the rest\n' "$nl2dsl" "$nl2dsl"
