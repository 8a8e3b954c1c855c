"""Training an adapter: frozen base model; LoRA, ID attention, ID projection and FacialEncoder are learnt."""
