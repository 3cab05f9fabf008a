"""The maker of the pocket writer: grammar, drafts, tokenizer, training, evaluation, card."""
