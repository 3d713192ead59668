// SPDX-License-Identifier: MPL-2.0

//! Stories that are long enough to be interrupted.

/// Each as it is spoken.
pub const STORIES: [&str; 3] = [
    "There was once a lighthouse keeper who lived alone on a small rock in the sea. Every evening he climbed ninety \
     steps, lit the lamp, and wrote one line into a thick book. One night the lamp went out in a storm, and a ship was \
     coming near. The keeper had no spare glass, so he took the largest pot from his kitchen, and beat it with a spoon \
     until his arms were tired. The captain heard the noise, turned his wheel, and passed the rock by the length of one \
     oar. In the morning a boat brought the keeper a new lamp, a cake, and a drum. In the thick book there is only one \
     line about that night. It says: it was loud, and all is well.",
    "In a town with too many clocks there lived a girl who repaired them. No two clocks showed the same time, and nobody \
     minded, because everybody had got used to being a little early or a little late. One day a stranger came who wanted \
     to catch a train. He asked the baker, the teacher and the mayor what time it was, and got three different answers. \
     At last he asked the girl. She looked at the sky, listened to the birds, and said: it is time for lunch. So they ate \
     soup together, and the stranger missed his train. He took the next one, which was the better train, because it \
     had a window that could be opened. He still sends the girl a letter every year, and it always arrives on time.",
    "A young fox wanted to learn how to be quiet. He asked the owl, who said: fly without a sound. But the fox could not fly. \
     He asked the snow, who said: fall slowly. But the fox fell fast, and loudly, into a bush. Then he asked the old cat on \
     the farm. The cat said nothing at all. The fox waited. The cat still said nothing. They sat side by side until the moon \
     was high, and the mice came out to dance in the yard. Now you know it, said the cat at last. And the fox walked home \
     through the forest, and not one leaf moved under his feet.",
];
