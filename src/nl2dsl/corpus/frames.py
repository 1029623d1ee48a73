"""Sentence frames: ways to put a trigger and what is to be done into one request.

In: phrases. Out: constants only. `{adv}` is the trigger as an adverbial clause ("when a mail arrives", "every Monday at 9"), `{tnoun}` the trigger
as a noun phrase, `{vp}` the
actions as an imperative phrase, `{noun}` the only action as a noun phrase; a capital first letter (`{Adv}`) asks for a capital. No frame tells which
operation is meant:
every frame is used with every operation whose phrase fits its grammar.
"""

from __future__ import annotations

# any imperative phrase fits, control and all
TRIGGER_FIRST = (
    "{Adv}, {vp}", "{Adv}, {vp}", "{Adv}, {vp}", "{Adv}, {vp}", "{Adv} {vp}", "{Adv}: {vp}", "{Adv} - {vp}", "{Adv}, please {vp}",
    "{Adv}, just {vp}", "{Adv}, then {vp}", "{Adv}, automatically {vp}",
    "{Adv}, go and {vp}", "So {adv}, {vp}", "{Adv}, do this: {vp}", "{Adv}, do the following: {vp}", "ok {adv}, {vp}", "Flow idea: {adv}, {vp}",
    "Build me a flow: {adv}, {vp}", "Automation needed: {adv}, {vp}",
    "Make this happen: {adv}, {vp}", "New flow please - {adv}, {vp}", "{Adv} => {vp}", "{Adv}, here's what should happen: {vp}",
    "Here is what I need. {Adv}, {vp}", "What I need: {adv}, {vp}", "Pls {adv} {vp}",
    "For {tnoun}, {vp}", "For {tnoun}: {vp}", "On {tnoun}, {vp}", "Upon {tnoun}, {vp}", "{Tnoun}: {vp}", "{Tnoun} - {vp}", "Given {tnoun}, {vp}",
    "In response to {tnoun}, {vp}", "Triggered by {tnoun}: {vp}",
)  # fmt: skip
# the phrase must start with a verb
TRIGGER_FIRST_VERB = (
    "{Adv}, I want to {vp}", "{Adv}, I'd like to {vp}", "{Adv}, can you {vp}?", "{Adv}, could you {vp}?", "{Adv}, I need to {vp}",
    "{Adv}, the flow should {vp}", "{Adv}, it should {vp}", "{Adv}, I want it to {vp}",
    "{Adv}, I want you to {vp}", "{Adv}, make sure to {vp}", "{Adv}, we have to {vp}", "{Adv}, we want to {vp}", "{Adv}, the system must {vp}",
    "{Adv}, remember to {vp}", "{Adv} I wanna {vp}", "{Adv}, would you {vp}",
    "{Adv}, my boss wants us to {vp}", "{Adv}, we need to {vp}", "{Adv}, is it possible to {vp}?", "{Adv}, how can I {vp}?",
    "{Adv}, I always have to {vp}. Please automate that.", "Make a flow: {adv} it must {vp}",
    "{Adv}, I'd love it if something could {vp}", "{Adv} i need u to {vp}", "{Adv}, let's {vp}", "{Adv}, don't forget to {vp}",
)  # fmt: skip
# the phrase is one clause without control, so that what follows it is read with it
TRIGGER_LAST = (
    "{Vp} {adv}", "{Vp} {adv}", "{Vp} {adv}", "{Vp} {adv}", "Please {vp} {adv}", "Pls {vp} {adv}", "Automatically {vp} {adv}", "{Vp}, {adv}",
    "{Vp} - {adv}", "{Vp} for {tnoun}", "{Vp} on {tnoun}", "{Vp} {adv} please",
    "{Vp} {adv}, thanks", "{Vp} {adv} automatically", "{Vp} ({adv})", "Just {vp} {adv}", "{Vp} {adv}, that's all", "Kindly {vp} {adv}",
    "Flow: {vp} {adv}", "Always {vp} {adv}",
)  # fmt: skip
TRIGGER_LAST_VERB = (
    "I want to {vp} {adv}", "I'd like to {vp} {adv}", "I would like to {vp} {adv}", "I need to {vp} {adv}", "Can you {vp} {adv}?",
    "Could you {vp} {adv}?", "Could you please {vp} {adv}?", "Can you please {vp} {adv}",
    "can u {vp} {adv}", "Is there a way to {vp} {adv}?", "Is it possible to {vp} {adv}?", "How do I {vp} {adv}?", "How can I {vp} {adv}?",
    "How would I {vp} {adv}", "Would it be possible to {vp} {adv}?",
    "Create a flow to {vp} {adv}", "Create a flow that will {vp} {adv}", "Make a flow that can {vp} {adv}", "Set up an automation to {vp} {adv}",
    "Build a workflow to {vp} {adv}", "I need a flow to {vp} {adv}",
    "I'm looking for a way to {vp} {adv}", "I always forget to {vp} {adv}, please do it for me",
    "We keep forgetting to {vp} {adv} - automate that please", "My boss wants us to {vp} {adv}", "It'd be great if you could {vp} {adv}",
    "Need something that will {vp} {adv}", "Help me {vp} {adv}", "Any chance we can {vp} {adv}?", "Goal: {vp} {adv}",
    "Don't let me forget to {vp} {adv}", "i wanna {vp} {adv}", "We need to {vp} {adv}", "We want to {vp} {adv}",
    "Would you mind setting up something to {vp} {adv}?", "The flow should {vp} {adv}", "It should {vp} {adv}", "I want you to {vp} {adv}",
    "I'd like you to {vp} {adv}", "I wish something would {vp} {adv}", "Let's {vp} {adv}",
    "Remind the system to {vp} {adv}", "My task: {vp} {adv}", "I have to {vp} {adv} and it's getting old",
    "It takes me ages to {vp} {adv}, can this be automated?", "Nobody remembers to {vp} {adv}. Fix that please.",
    "What's the easiest way to {vp} {adv}?", "Is there any trick to {vp} {adv}", "Get it to {vp} {adv}",
    "Somebody should {vp} {adv}, so let the computer do it", "Is a flow able to {vp} {adv}?", "Please make it {vp} {adv}",
)  # fmt: skip
# one action without control, as a gerund
GERUND = (
    "Automate {gerund} {adv}", "I'm tired of {gerund} {adv}, do it for me", "I hate {gerund} {adv}. Please take over.",
    "Stop me from having to do this: {gerund} {adv}", "Help with {gerund} {adv}", "How about {gerund} {adv}?",
    "I'm sick of {gerund} by hand {adv}", "Can you take care of {gerund} {adv}?", "{Gerund} {adv}",
    "Instead of me {gerund} {adv}, let a flow do that",
)  # fmt: skip
# one action, as a noun phrase
NOUN = (
    "I want {noun} {adv}", "I need {noun} {adv}", "I'd like {noun} {adv}", "{Noun} {adv}", "{Noun} {adv} please", "{Adv}, I want {noun}",
    "{Adv}, I need {noun}", "{Adv}: {noun}", "{Adv}, {noun} please", "{Tnoun}: {noun}",
    "Could we have {noun} {adv}?", "Can I get {noun} {adv}?", "{Adv} there should be {noun}", "Set up {noun} {adv}", "We'd love {noun} {adv}",
    "{Noun} for {tnoun}", "{Noun} on {tnoun}", "How do I get {noun} {adv}?", "{Adv} we need {noun}",
    "Is there a way to get {noun} {adv}?", "{Noun}, {adv}", "Please give me {noun} {adv}", "{Adv} - {noun}",
)  # fmt: skip
# one action turned round: {thing} is its object, {done} the participle and what follows
PASSIVE = (
    "{Adv}, {thing} should be {done}", "{Thing} should be {done} {adv}", "{Adv}, {thing} must be {done}", "{Adv} I want {thing} {done}",
    "I want {thing} {done} {adv}", "I need {thing} {done} {adv}", "{Thing} needs to be {done} {adv}",
    "Can {thing} be {done} {adv}?", "Is it possible to have {thing} {done} {adv}?", "{Adv}, {thing} has to be {done}",
    "I'd like {thing} to be {done} {adv}", "{Adv}, I want {thing} to get {done}", "{Thing} to be {done} {adv}", "{Adv}: {thing} gets {done}",
    "Could {thing} get {done} automatically {adv}?", "We want {thing} {done} {adv}", "{Adv}, please have {thing} {done}", "Get {thing} {done} {adv}",
)  # fmt: skip
# notes: {t} is any short form of the trigger, {a} the short forms of the actions, already joined by the same sign
TERSE = (
    ("{t} -> {a}", " -> "), ("{t} -> {a}", ", "), ("{t} → {a}", " → "), ("{t} => {a}", " => "), ("{t}: {a}", ", "), ("{t}: {a}", "; "),
    ("{t}: {a}",
    " + "), ("{t} - {a}", " - "), ("{t} > {a}", " > "), ("{t}, {a}", ", "), ("{t}; {a}", "; "),
    ("{a} {adv}", " and "), ("{a} {adv}", ", "), ("{t} then {a}", " then "), ("{t} >> {a}", " >> "), ("{a} <- {t}", ", "), ("{a} ({t})", " + "),
    ("{t} | {a}", " | "), ("{t} {a}", " "), ("{t} = {a}", " & "), ("{a} on {tnoun}", " and "), ("{t}... {a}", " and "),
    ("{t} --> {a}", " --> "), ("{t} to {a}", " and "), ("{a}, {adv}", " & "), ("flow: {t}, {a}", ", "), ("trigger: {t} / do: {a}", ", "),
)  # fmt: skip

GREETINGS = ("Hi, ", "Hello, ", "Hey, ", "Hi there, ", "Hello! ", "hey, ", "Good morning, ", "Dear team, ", "Yo, ", "Hi all, ", "Hi! ", "Morning. ",
    "ok so ", "Um, ", "Right, ", "Quick one: ", "Question: ", "Alright, ", "Well, ", "Listen, ", "Please help: ", "Hallo, ")  # fmt: skip
THANKS = ("Thanks!", "Thank you.", "Thanks in advance.", "Thx", "Cheers", "Many thanks!", "Please and thank you.", "That's it.",
    "That would save me a lot of time.", "tia", "Much appreciated.", "That's all.", "Can you do that?", "Is that possible?", "Does that work?",
    "Would be a big help.", "No rush.", "Thank you so much", "Regards", "That would be awesome!")  # fmt: skip
STORIES = (
    "I'm tired of doing this by hand.", "We do this manually at the moment.", "This takes me ages.", "I keep forgetting this.",
    "My boss asked me to automate this.", "Our process is a mess.", "I'd like to save some time.", "I'm new to this, bear with me.",
    "We have a small thing to automate.", "Here's what I need.", "I have an idea for a flow.", "This should not need a human.",
    "Things get lost all the time.", "People keep complaining.", "We missed a few again.", "I need some help with a flow.",
    "I want to automate a boring job.", "It's always me who has to do this.", "So here is the situation.", "Nobody feels responsible for this.",
    "I've been asked to set something up.", "We're a small team and short of hands.", "Audit wants this automated.",
    "I don't know how to build this myself.", "This is for our office.", "I've tried to build it myself and got stuck.",
    "Let me explain what I'm after.", "We grow fast and this no longer scales.", "I'm drowning in admin work.", "Please build the following.",
    "I run a small bakery.", "I'm a nurse and my ward drowns in paperwork.", "I teach at a primary school.", "I work in facilities.",
    "We're a charity with lots of volunteers.", "I'm in charge of the back office.", "I'm not technical at all.", "I do the books here.",
    "My team is spread over three countries.", "We've just moved to the cloud.", "I'm the only one in IT.",
    "As a project manager I lose hours on this.", "I'm on the road all day.", "Our customers expect a quick answer.",
    "We used to have an intern for this.", "English is not my first language, sorry.",
    "I have seen this work at another company.", "Following up on our call:", "As discussed:", "I manage a warehouse.",
    "This came up in the meeting today.", "It's a small thing really.", "My predecessor had a flow for this but it's gone.", "We're a law firm.",
    "I'm with the front desk.", "Ours is a busy clinic.",
)  # fmt: skip
NEXT = ("Then {vp}.", "After that, {vp}.", "Next, {vp}.", "Also {vp}.", "Then please {vp}.", "And {vp}.", "Afterwards {vp}.",
    "When that is done, {vp}.", "Once done, {vp}.", "{Vp}.", "{Vp} as well.", "And then {vp}.", "{Vp} too.", "Plus, {vp}.", "{Vp} next.",
    "In addition, {vp}.", "Second, {vp}.", "On top of that, {vp}.", "It should then {vp}.", "I also want it to {vp}.", "And don't forget to {vp}.",
    "Then it needs to {vp}.")  # fmt: skip
LAST = ("Finally, {vp}.", "Finally {vp}.", "At the end, {vp}.", "Last, {vp}.", "Lastly, {vp}.", "To finish, {vp}.", "And finally {vp}.",
    "When all is done, {vp}.", "To round it off, {vp}.", "As a last step, {vp}.")  # fmt: skip
EITHER_WAY = ("either way, {vp}", "in any case, {vp}", "in both cases {vp}", "regardless, {vp}", "whatever the case, {vp}", "and either way {vp}",
    "no matter what, {vp}", "in all cases, {vp}", "afterwards, either way, {vp}")  # fmt: skip
AFTER_ALL = ("when all of them are done, {vp}", "afterwards, {vp}", "at the end, {vp}", "once that is done for all, {vp}", "finally, {vp}",
    "after the last one, {vp}", "when that's finished, {vp}", "after going through all of them, {vp}", "when done with all, {vp}")  # fmt: skip
THEN = ("then {vp}", "after that, {vp}", "once it is, {vp}", "when that's so, {vp}", "and then {vp}", "as soon as it is, {vp}",
    "afterwards {vp}")  # fmt: skip

# what most people write; the long tuples below are for the others
PLAIN_FIRST = ("{Adv}, {vp}", "{Adv}, {vp}", "{Adv}, {vp}", "{Adv} {vp}", "{Adv}: {vp}", "{Adv}, please {vp}", "{Adv} - {vp}")
PLAIN_NOUN_FIRST = ("For {tnoun}, {vp}", "{Tnoun}: {vp}", "On {tnoun}, {vp}", "{Tnoun} - {vp}", "For {tnoun} {vp}")
PLAIN_LAST = ("{Vp} {adv}", "{Vp} {adv}", "{Vp} {adv}", "Please {vp} {adv}", "{Vp}, {adv}")

WHENS = (
    "when",
    "when",
    "when",
    "when",
    "when",
    "when",
    "when",
    "whenever",
    "whenever",
    "if",
    "every time",
    "each time",
    "as soon as",
    "once",
    "if",
    "any time",
    "the moment",
    "the minute",
)
APPROVED = ("if approved", "if it's approved", "once approved", "when approved", "if they approve", "if she says yes", "if he says yes",
    "if the answer is yes", "if it gets approved", "on approval", "after approval", "if they say yes", "if it is accepted", "if ok", "if yes",
    "only if they approve", "when it gets the green light", "once it's signed off", "if signed off", "if it's a yes", "as soon as it is approved",
    "if the request is approved", "when they agree", "if the outcome is approve")  # fmt: skip
REJECTED = ("if rejected", "if it's rejected", "if they say no", "when she says no", "if declined", "if refused", "on rejection",
    "if it is turned down", "if the answer is no", "if he refuses", "if it gets rejected", "when it's declined", "if not approved",
    "if they don't approve", "in case of a no", "if the request is rejected")  # fmt: skip
ELSE = ("otherwise", "otherwise", "otherwise", "else", "if not", "if not,", "or else", "in all other cases", "in any other case", "failing that",
    "if that's not the case", "for everything else")  # fmt: skip
ELSE_REJECTED = ("otherwise", "otherwise", "else", "if not", "if rejected", "if they say no", "on a no", "if declined", "if it's rejected",
    "when rejected", "when she says no", "if not approved", "if it's turned down", "in case of a rejection")  # fmt: skip
FOUND = ("if there is one", "if one exists", "if it's there", "if it is found", "if it exists", "if there's already one", "if something is found",
    "if it already exists", "when there is a match", "if found", "if we have it already", "if there's a hit", "if any come back")  # fmt: skip
NONE = ("if there is none", "if there isn't one", "if it isn't there", "if nothing is found", "if none exists", "if there's no match",
    "if not found", "if it doesn't exist", "if it doesn't exist yet", "if it's missing", "if nothing comes back", "if there isn't one yet",
    "if it's not in there")  # fmt: skip
