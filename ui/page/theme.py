"""The look that Gradio's own components take; ``style.css`` beside it does the rest."""

from __future__ import annotations

import gradio as gr

# Blue, and in style.css orange against it: a pair that people with any colour blindness tell apart.
INK = gr.themes.Color(
    "#eef5fc", "#d9e9f8", "#b5d3f0", "#86b7e4", "#5598d5", "#2c7bc0",
    "#0b5cad", "#0a4e93", "#0a3f76", "#0a335e", "#06203d", name="ink",
)  # fmt: skip
PAPER = gr.themes.Color(
    "#fbfaf7", "#f5f3ee", "#e8e5dd", "#d5d1c7", "#a5a198", "#74716a",
    "#55534e", "#403f3b", "#292927", "#1d1e1f", "#141516", name="paper",
)  # fmt: skip

# Served here, and only for letters that the fonts before them lack: see ui/page/fonts.
SCRIPTS = ("Cacara Scripts", "Cacara Chinese", "Cacara Japanese", "Cacara Korean")
SANS = ("system-ui", "-apple-system", "Segoe UI", "Noto Sans", "Liberation Sans", *SCRIPTS, "sans-serif")
MONO = ("ui-monospace", "Noto Sans Mono", "Liberation Mono", "monospace")


def make_theme() -> gr.themes.Base:
    """Return the theme: paper and ink, the visitor's own fonts, and our own for scripts that these lack."""
    sizes = gr.themes.sizes
    return gr.themes.Base(
        primary_hue=INK,
        secondary_hue=INK,
        neutral_hue=PAPER,
        font=SANS,
        font_mono=MONO,
        text_size=sizes.text_lg,
        radius_size=sizes.radius_md,
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_padding="0px",
        input_background_fill="white",
        input_background_fill_dark="*neutral_900",
        input_border_color="*neutral_400",
        input_border_color_dark="*neutral_500",
        input_border_width="1px",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_400",
        button_primary_background_fill_hover_dark="*primary_300",
        button_primary_text_color="white",
        button_primary_text_color_dark="*neutral_950",
        button_secondary_background_fill="transparent",
        button_secondary_background_fill_dark="transparent",
        button_secondary_border_color="*neutral_400",
        button_secondary_border_color_dark="*neutral_500",
        button_border_width="1px",
        button_large_text_size="*text_md",
        button_large_text_weight="600",
    )
