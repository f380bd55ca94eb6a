// The composer: tabs, cards, buttons.
