"""What the names of fields tell, however they are spelled: ``maxTokens``, ``max_tokens``, ``MaxTokens``.

The words are those that the public references of generative services use; each set names one role that a
field plays. A name never tells anything alone: those who use it look at the value, and at what stands beside.
"""

from functools import lru_cache

# Longer ones are no names of settings.
NAME_LENGTH_MAX = 40


@lru_cache(maxsize=8192)
def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def plain(name: str) -> str:
    """A name without case and without what parts its words; empty for what is too long to be one."""
    return _plain(name) if len(name) <= NAME_LENGTH_MAX else ""


def words(text: str) -> frozenset[str]:
    """The words of a text, each a name in its plain form."""
    return frozenset(text.split())


# Nothing but a question to a machine is called so.
ASKED_OF_A_MACHINE = words(
    """
    prompt prompts userprompt textprompt chatinput userinput usermessage userquery inputvalue
    inputtext textinput userquestion question questions instruction prompttext chatmessage
    humaninput usertext ask userprompttext inputmessage humanmessage
    """
)
# A question, or what people send to each other, search for, and fill in.
ASKED = ASKED_OF_A_MACHINE | words(
    """
    query q message msg input inputs text content contents instructions newmessage lastmessage goal
    task utterance sentence sentences texts command transcript querystr statement sql selectedtext
    querytext searchquery userrequest say instances data source context topic description body selection
    value
    """
)
CONVERSATION = words(
    """
    sessionid conversationid threadid chatid chatsessionid conversationuuid sessionhash
    parentmessageid chatroomid dialogid dialogueid contextid thread session runid conversation
    memoryid convid chatuuid sessionkey
    """
)
AGENT = words(
    """
    assistantid agentid botid chatbotid flowid chatflowid agent agentname assistant personaid
    characterid persona character appname assistantname agentalias agentaliasid skillid playbook
    botname chatbot agentconfig chatsettings
    """
)
KNOWLEDGE = words(
    """
    knowledgebase knowledgebaseid knowledgebaseids knowledgebasename kbid kbids kbname datasetids
    collectionname collectionnames similaritytopk retrieval retrievaloptions retriever usecontext
    includesources returnsources ragconfig userag enablerag documentids docids includeanswer
    vectorstoreid vectorstoreids searchdepth websearch enablesearch usewebsearch numberofresults
    datasources scorethreshold
    """
)
TOOLS = words(
    """
    tools functions toolchoice toolconfig mcpservers toolids plugins
    """
)
MODEL = words(
    """
    model modelid modelname modeluri modelversion llm llmmodel llmid engine modelkey custommodelid
    deployment deploymentid checkpoint sdmodelcheckpoint
    """
)
SYSTEM_PROMPT = words(
    """
    systemprompt systemmessage systeminstruction systeminstructions prompttemplate preamble
    custominstructions preprompt promptprefix initialprompt promptid overridesystemprompt jailbreak
    agentprompt characterprompt sysprompt promptname
    """
)
# What holds the settings of a model, by itself.
SETTINGS = words(
    """
    sampling samplingparams samplingparameters generationconfig generationparameters inferenceconfig llmconfig
    modelparams modelparameters completionoptions modelkwargs genkwargs generatekwargs llmparams
    generationsettings modelconfig modelsettings llmsettings inferenceparams textgenerationconfig
    """
)
STREAM = words(
    """
    stream streaming streammode isstream sse incrementaloutput responsemode streamresponse
    streamoutput streamingmode enablestreaming usestream
    """
)
VOICE = words(
    """
    voice voiceid voicename voicesettings speaker speakerid speakername speakerwav refaudio
    refaudiopath referenceaudio lengthscale noisescale noisewscale noisew voicepreset speakeridx
    styleid stylewav voicetype voicesetting referenceid similarityboost audioprompt emotion
    historyprompt
    """
)
IMAGE = words(
    """
    negativeprompt numinferencesteps inferencesteps guidancescale guidance cfgscale cfg numoutputs
    numimages aspectratio sampler samplername samplerindex scheduler denoisingstrength stylepreset
    promptstrength steps numsteps lora loras basemodelname imagesize imagenum performanceselection
    styleselections samples clipskip initimage inputimage promptimage promptoptimizer
    """
)
# Also of films, of placeholders, of what is printed: several of them beside a prompt.
IMAGE_SIZE = words("duration ratio resolution width height size quality fps seed numframes style length")
HISTORY = words(
    """
    history chathistory conversationhistory messagehistory dialoghistory pastmessages
    previousmessages pastuserinputs generatedresponses turns historymessages chatlog previousturns
    pastturns contextmessages priormessages hist historylist
    """
)
CODE_BEFORE = words(
    """
    prefix leftfilecontent before beforecursor textbeforecursor codebefore prefixcode inputprefix
    """
)
CODE_AFTER = words(
    """
    suffix rightfilecontent after aftercursor textaftercursor codeafter suffixcode inputsuffix
    """
)
CURSOR = frozenset(("cursor", "cursorposition", "cursoroffset", "position", "cursorline"))
LANGUAGE = words(
    """
    language programminglanguage editorlanguage languageid languagename filename filepath
    """
)
# Who a message of people goes to or is about, and what asks the person for nothing but an entry.
PERSON = words(
    """
    to recipient recipients subject email phone cc bcc channel channelid roomid room threadts
    assignee assigneeid visitor customer ticketid phonenumber firstname lastname recipientid
    chatroom toaddress fromaddress from
    """
)
