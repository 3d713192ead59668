# SPDX-License-Identifier: MPL-2.0
"""Sentences to be spoken: made of patterns and of words, by a seed.

Half follow English patterns, so that lengths and pauses are those of sentences; the others are strings of words that the
lexicon of pocketsphinx has, so that all sounds meet all others. None of it is anybody's text.
"""

import random
import re
from pathlib import Path

LEXICON = Path("/usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict")

PEOPLE = """I; you; we; they; people; everybody; nobody; somebody; she; he; Mary; Peter; Anna; George; the children; the doctor; my brother;
your sister; our neighbours; the driver; a stranger; the old man; the young woman; her friends; the captain; the teacher; two men; the
guests""".replace("\n", " ").split("; ")

NOUNS = """apple answer bag bank basket bed bell bench bird boat book bottle box bread bridge brother bucket building bus button cake camera car card
castle cat chair cheese church city clock cloud coat coffee coin corner country cup day dinner doctor dog door dress engine evening eye
face family farm father field fire fish floor flower food forest friend game garden gate glass grass ground hand harbour hat head hill
horse hospital hotel hour house idea island job journey key kitchen knife lake lamp language leaf letter library light line machine map
market meal meeting message milk minute mirror moment money month moon morning mother mountain music name needle newspaper night noise
number office orange page paper park party pen person phone picture place plan plant plate pocket price problem question radio rain reason
river road room rope rule salt school sea season shadow shirt shoe shop shoulder sky snow song sound spoon station stone storm story
street sugar summer sun table teacher telephone ticket time town train tree truth uncle valley village voice wall war watch water weather
week wheel wind window winter woman wood word work world year yesterday zoo""".split()

ADJECTIVES = """bad beautiful big black blue bright brown busy careful cheap clean clever cold dark dear deep difficult dirty dry early easy
empty expensive famous fast fine free fresh full funny good great green happy hard heavy high hot huge important interesting kind large last
late little lonely long loud low lucky narrow near new nice noisy old open other poor possible pretty private quick quiet ready red rich right
round sad safe same serious sharp short sick simple slow small soft strange strong sweet tall terrible thick thin tired true usual warm weak wet
white whole wide wild wonderful wrong yellow young""".split()

PAST = """asked for; bought; broke; brought; built; called; carried; caught; changed; chose; cleaned; closed; counted; covered; cut; described;
dropped; drew; enjoyed; explained; felt; filled; finished; forgot; found; gave away; heard about; helped with; hid; kept; knew; learned about;
left; lifted; liked; looked at; lost; loved; made; met; mentioned; missed; moved; needed; noticed; offered; opened; ordered; paid for; picked up;
played with; pointed at; promised; pulled; pushed; put down; reached; read about; remembered; saw; sent; showed us; shut; sold; spoke of; started;
stole; stopped; talked about; threw away; told us about; took; touched; tried; turned; understood; used; visited; waited for; walked past; wanted;
washed; watched; wondered about; worked on; wrote about""".replace("\n", " ").split("; ")

PLACES = """at home; at the corner; behind the house; below the bridge; beside the road; between the trees; by the window; far away; in the city;
in the garden; in the morning; in the middle of the night; near the station; next to the church; on the hill; on the other side; on the table;
outside; over there; under the bed; upstairs; with great care; without a word; before dinner; after the rain; all day long; again and again;
as usual; for a while; for the first time; last summer; next week; now and then; on Monday; on the fifth of May; once more; only yesterday;
right here; since then; some day; soon; three times; tomorrow; twice a year; until the end; very slowly; when it was over""".replace("\n", " ").split("; ")

OPENERS = "and then; after that; at last; besides; by the way; for example; however; in fact; in the end; meanwhile; of course; on the whole; perhaps; so; still; suddenly; to be honest; unfortunately; well; yes; no".split("; ")
QUESTIONS = "did; could; would; should; why did; when did; where did; how did; how often did".split("; ")
BARE = "answer the question; believe it; bring the key; call again; carry the box; close the door; come back; cross the river; drive home; explain that; find the way; follow the path; forget the name; go there alone; hear the noise; keep the change; leave so early; look at the picture; lose the ticket; make coffee; meet the others; open the window; read the letter; say that; see the moon; send a message; stay for dinner; take the train; tell the truth; think about it; turn the wheel; wait outside; walk to the harbour; write it down".split("; ")
NUMBERS = "two three four five six seven eight nine ten eleven twelve thirteen twenty thirty forty fifty sixty ninety hundred".split()


#: What the network of letters is not asked: an apostrophe says nothing of its sound.
CONTRACTIONS = """ain't aren't can't couldn't couldn't've could've daren't didn't doesn't don't hadn't hasn't haven't he'd he'll he's here's how'd how'll how's i'd i'd've
i'll i'm i've isn't it'd it'll it's let's ma'am mayn't might've must've mustn't needn't o'clock shan't she'd she'll she's should've shouldn't
somebody's someone's that'd that'll that's there'd there'll there's they'd they'll they're they've wasn't we'd we'll we're we've weren't what'd what'll 
what's what've when's where'd where's who'd who'll who's who've why'd why's won't would've wouldn't y'all you'd you'll you're you've""".split()


#: The closed classes of English, so that each of their words is heard at least once.
FUNCTION_WORDS = """a an the this that these those each every some any no all both many much few several either neither another such.
in on at by for from of off to into onto over under above below between among through during before after since until against about around
along across behind beside beyond near toward towards upon with within without per up down out via despite except like as than.
and but or nor yet so plus because although though if unless while whereas whether when where who whom whose what which why how.
I you he she it we they me him her us them my your his its our their mine yours hers ours theirs myself yourself himself herself itself.
am is are was were be been being has have had having do does did done will would can could shall should may might must ought.
not never ever only just very too also then there here now.""".replace("\n", " ").split(". ")


def words_of_lexicon() -> list[str]:
    """Words of letters alone, each once."""
    if not LEXICON.exists():
        raise SystemExit(f"{LEXICON} is not there: apt-get install pocketsphinx-en-us")
    found = []
    for line in LEXICON.read_text().splitlines():
        word = line.split(" ", 1)[0]
        if re.fullmatch(r"[a-z]{2,}", word):
            found.append(word)
    return found


class Sentences:
    """An endless supply, the same for the same seed."""

    def __init__(self, seed: int, lexicon: list[str]):
        self.random = random.Random(seed)
        self.lexicon = lexicon

    def pick(self, from_: list[str]) -> str:
        return self.random.choice(from_)

    def thing(self) -> str:
        chance = self.random.random
        noun = self.pick(NOUNS) if chance() < 0.8 else self.pick(self.lexicon)
        adjective = f"{self.pick(ADJECTIVES)} " if chance() < 0.5 else ""
        if chance() < 0.2:
            return f"{self.pick(NUMBERS)} {adjective}{noun}s"
        first = (adjective or noun)[0]
        article = self.pick(["the", "a", "this", "that", "my", "your", "his", "her", "our", "their", "every", "no"])
        if article == "a" and first in "aeiou":
            article = "an"
        return f"{article} {adjective}{noun}"

    def clause(self) -> str:
        text = f"{self.pick(PEOPLE)} {self.pick(PAST)} {self.thing()}"
        if self.random.random() < 0.5:
            text += f" {self.pick(PLACES)}"
        return text

    def patterned(self) -> str:
        chance = self.random.random()
        if chance < 0.15:
            text = f"{self.pick(QUESTIONS)} {self.pick(PEOPLE)} {self.pick(BARE)} {self.pick(PLACES)}?"
        elif chance < 0.25:
            things = [self.thing() for _ in range(self.random.randint(2, 4))]
            text = f"{self.pick(PEOPLE)} {self.pick(PAST)} {', '.join(things)} and {self.thing()}."
        elif chance < 0.4:
            text = f"{self.pick(OPENERS)}, {self.clause()}."
        elif chance < 0.6:
            text = f"{self.clause()}, {self.pick(['and', 'but', 'because', 'although', 'so', 'while'])} {self.clause()}."
        elif chance < 0.7:
            text = f"{self.clause()}; {self.clause()}!"
        elif chance < 0.78:
            text = f"{self.pick(BARE)}, please."
        else:
            text = f"{self.clause()}."
        return text[0].upper() + text[1:]

    def strung(self) -> str:
        words = [self.pick(self.lexicon) for _ in range(self.random.randint(2, 9))]
        if len(words) > 4 and self.random.random() < 0.5:
            at = self.random.randint(2, len(words) - 2)
            words[at - 1] += ","
        return " ".join(words).capitalize() + self.pick([".", ".", ".", "?", "!"])

    def __iter__(self):
        return self

    def __next__(self) -> str:
        return self.patterned() if self.random.random() < 0.5 else self.strung()
