"""What question and answer tell together: words that answer words, sound or a picture that a text asked for.

Neither is telling alone. A form's text is acknowledged, a message's is stored and comes back as it was, a
search finds what others wrote; a machine answers what was asked, in new words and at once.
"""

from policy.hints import NONE, Hint, best
from policy.prose import is_question, shared_words, word_count
from policy.question_evidence import Question, picture_points
from policy.reply_evidence import Reply
from policy.request_documents import Asked

# Words for words, when they are about the same, and what makes a chance less likely.
ANSWERED, ANSWERED_IN_PASSING = 15, 5
RELATED, CLOSELY_RELATED = 10, 15
FOR_A_MACHINE, QUESTION_FORM, CONVERSATION, SAME_CONVERSATION = 5, 5, 8, 5
# The question stands beside the answer.
REPEATED = 5
# An object with nothing but the question, and one with nothing but the answer.
NOTHING_ELSE = 5
FIELDS_MAX = 2
# So much longer an answer is no acknowledgement.
LONG_WORDS, TIMES_LONGER = 30, 2
# Sound for a text with a voice, a picture for a text with settings of pictures, numbers for a text.
SPOKEN, SPOKEN_PLAINLY, PICTURED, VECTORS_OF_A_TEXT = 35, 20, 30, 25
# Words for sound, and sound for sound, where settings of recognition or of a voice came with it.
WRITTEN_DOWN, REVOICED = 30, 30
# Words for a picture, where words came with it.
DESCRIBED = 30
# Numbers for a voice, to speak with it.
VECTORS_OF_A_VOICE = 25
# Code where the cursor is.
COMPLETED = 25


def exchange_hint(question: Question, reply: Reply, *, streamed: bool) -> Hint:
    """The hint of words that answer words."""
    if not question.texts or not reply.texts or "person" in question.signs or "scripted" in reply.signs:
        return NONE
    asked, answered = question.texts[-1], max(reply.texts, key=len)
    related = max(shared_words(text, answered) for text in question.texts)
    long = word_count(answered) >= max(LONG_WORDS, TIMES_LONGER * word_count(asked))
    in_passing = "answer" not in reply.signs
    if not long and not streamed and related <= in_passing:
        return NONE
    points = ANSWERED_IN_PASSING if in_passing or "unnamed" in question.signs else ANSWERED
    points += CLOSELY_RELATED if related > 1 else RELATED if related else 0
    points += FOR_A_MACHINE if "for a machine" in question.signs else 0
    points += QUESTION_FORM if is_question(asked) else 0
    points += CONVERSATION if "conversation" in question.signs else 0
    points += SAME_CONVERSATION if "same conversation" in reply.signs else 0
    points += REPEATED if "repeats" in reply.signs else 0
    points += NOTHING_ELSE if question.fields <= FIELDS_MAX else 0
    points += NOTHING_ELSE if reply.fields <= FIELDS_MAX else 0
    return Hint(points, "words that answer words")


def media_hint(question: Question, reply: Reply, asked: Asked) -> Hint:
    """The hint of sound, pictures or numbers that a text asked for, and of words for sound or a picture."""
    sound, sounds, signs = asked.sound, "sound" in reply.signs, reply.signs
    written = (
        "captions" in signs or ("answer" in signs and reply.texts) or (reply.texts and reply.fields == 1)
    )
    completes = "completion" in signs and not question.signs.isdisjoint(("infill", "cursor"))
    voiced = not question.signs.isdisjoint(("voice", "model"))
    pairs = (
        (question.texts and sounds, SPOKEN if voiced else SPOKEN_PLAINLY, "sound for a text"),
        (
            question.texts and "picture" in signs and picture_points(question),
            PICTURED,
            "a picture for a text",
        ),
        (question.texts and "vector" in signs, VECTORS_OF_A_TEXT, "numbers for a text"),
        (sound and "vector" in signs, VECTORS_OF_A_VOICE, "numbers for sound"),
        (sound and sounds, REVOICED, "sound for sound"),
        (sound and not sounds and written, WRITTEN_DOWN, "words for sound"),
        (asked.picture and question.texts and reply.texts, DESCRIBED, "words for a picture"),
        (completes, COMPLETED, "code for a cursor"),
    )
    return best([Hint(points, reason) for found, points, reason in pairs if found])
