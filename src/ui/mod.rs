//! What a person sees: printer, progress, prompts, tables, colours.
