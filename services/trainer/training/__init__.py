"""Fine-tuning: the plan, the trainable encoder, the loop and what it leaves on disk."""
