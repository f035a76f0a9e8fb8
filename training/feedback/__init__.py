"""Fine-tuning and teaching from feedback, and the gate in front of promotion."""
