"""What the names of an answer's fields tell, however they are spelled: see ``policy.field_names``.

The words are those of the public references of generative services, and of what other services answer.
"""

from policy.field_names import words

# What was generated.
ANSWERS = words(
    """
    answer response output outputs outputtext completion completions generation generations
    generatedtext reply result results botmessage airesponse textresponse assistantmessage
    assistantresponse botresponse textoutput answertext generated predictions prediction responses
    llmoutput responsetext replytext aimessage outputtexts modeloutput
    modelresponse finalanswer chatresponse botreply systemmessage draft transcript transcription
    displaytext fulltext aianswer generatedcontent resulttext content rewrite suggestion
    """
)
# What was generated, or any text.
IN_PASSING = words(
    """
    text message msg data delta value markdown artifacts parts dataarray rows history visible
    """
)
# A stored thing with prose in it, one of several results, an error, or an acknowledgement.
OF_A_RECORD = words(
    """
    url link href title label replacements price rating username email createdby error errors errorcode
    success ok slug permalink tags detail alias score insertiontext menutext questions intent
    recipientid channelid body distance similarity rank insert ops
    """
)
# An entry of what an editor's language server offers.
OF_A_MENU = words("label kind insertiontext menutext displaytext detail sorttext")
# What a dialogue by script offers next, and what it took the words for.
CHOICES = words("buttons quickreplies quickreply intent intents entities slots intentname")
# Why generation ended.
FINISHES = words(
    """
    finishreason stopreason donereason completionreason finishdetails stoppingreason endreason stoppedby
    """
)
REASONS = words(
    """
    stop length endturn eos eostoken maxtokens tooluse toolcalls contentfilter stopsequence complete
    endoftext finished functioncall toolcall null normal success endofturn stopbefore maximumtokens
    endsequence maxlength natural completed eossampled stopstring done maxoutputtokens
    """
)
# What an answer was made from.
SOURCES = words(
    """
    sources sourcedocuments citations references contexts retrieveddocuments chunks
    groundingmetadata retrievedcontexts documents searchresults sourcenodes citation
    """
)
OF_A_SOURCE = words("title content snippet excerpt")
# Where completed code lies.
COMPLETIONS = words(
    """
    completion completions completionitems choices codecompletion suggestions items results
    """
)
# Bytes in a text.
SOUNDS = words("audio audiocontent audiobase64 audiodata speech audiob64 wav")
PICTURES = words("image images b64json base64 imagebase64 img video artifacts")
# A prompt, kept with what was made of it.
PROMPTS = words("prompt prompttext userprompt inputprompt textprompt")
# A job that was begun.
JOBS = words("generationid predictionid taskid jobid inferenceid queueid batchid promptid")
STATES = words("status state taskstatus")
BEGUN = words("queued starting processing pending submitted inqueue running created")
# What a text is about, of any length.
SUMMARIES = words("summary summarytext summaries")
# What a model asks to be done.
TOOL_CALLS = words("toolcalls toolcall functioncall functioncalls tooluse tooluses")
# Where tokens are counted as `input` and `output`.
USAGES = words("usage tokens tokenusage tokencount usagemetadata")
